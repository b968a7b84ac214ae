import { type CheckpointInfo, encodeCheckpoint } from '../shared/checkpoint/checkpoint.ts';
import { writeCheckpoint } from '../shared/checkpoint/checkpoint-file.ts';
import type { TrainConfig } from '../shared/config.ts';
import type { ModelLayout } from '../shared/model/layout.ts';
import type { StepObserver } from './observer.ts';
import type { CheckpointState } from './train.ts';

export interface CheckpointContext {
  readonly layout: ModelLayout;
  readonly config: TrainConfig;
  readonly digests: CheckpointInfo['digests'];
}

/** Writes checkpoints beside the steps: a step waits for the copy, and for a write only while the one before still runs. */
export class CheckpointQueue {
  readonly #folder: string;
  readonly #context: CheckpointContext;
  readonly #observer: Required<Pick<StepObserver, 'onCheckpoint'>>;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string, context: CheckpointContext, observer: Required<Pick<StepObserver, 'onCheckpoint'>>) {
    this.#folder = folder;
    this.#context = context;
    this.#observer = observer;
  }

  /**
   * Resolves once the state has been copied.
   * @throws CheckpointError where the one before couldn't be written
   */
  async take(state: CheckpointState): Promise<void> {
    const { config } = this.#context;
    const bytes = encodeCheckpoint({ ...this.#context, ...state, optimizerName: config.optimizer });
    await this.#writing;
    this.#writing = this.#write(bytes, state.step);
    // Its failure is thrown by the next call.
    this.#writing.catch(() => {});
  }

  /** @throws CheckpointError where the last one couldn't be written */
  written(): Promise<void> {
    return this.#writing;
  }

  async #write(bytes: Uint8Array, step: number): Promise<void> {
    const start = performance.now();
    const file = await writeCheckpoint(this.#folder, bytes, step);
    this.#observer.onCheckpoint({ step, file, seconds: (performance.now() - start) / 1000 });
  }
}
