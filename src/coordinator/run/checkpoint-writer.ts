import { mkdir } from 'node:fs/promises';
import { type CheckpointInfo, encodeCheckpoint } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointsIn, writeCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { bitsOf, type TrainConfig } from '../../shared/config/config.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { RunLockError, WriteError } from '../../shared/util/errors.ts';
import type { FileOperations } from '../../shared/util/replace-file.ts';
import type { StepObserver, StepRecord } from '../train/observer.ts';
import { isSnapshot } from '../train/schedule.ts';
import type { CheckpointState } from '../train/training.ts';

/** Between two tries; each one doubles it, up to the most. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** Checkpoints in memory, but for snapshots. */
const MAX_WAITING = 8;
/** When there is nothing left to do but save: an hour. */
const LAST_TRIES = 66;

export interface CheckpointContext {
  /** Receives the files. */
  readonly folder: string;
  readonly layout: ModelLayout;
  readonly config: TrainConfig;
  readonly digests: CheckpointInfo['digests'];
  /** Updates done before the run began or went on. */
  readonly from: number;
  /** Where this attempt and those before it end, or were to end: snapshots. */
  readonly ends: readonly number[];
  readonly files: FileOperations;
  /** Brings the lines of the log that were appended so far to the disk. */
  readonly syncLog: () => Promise<void>;
  readonly observer: Required<Pick<StepObserver, 'onCheckpoint' | 'onEvent'>>;
  /** Told, once, that another process owns the run directory: nothing is written any more. */
  readonly onLockLost: (error: RunLockError) => void;
}

/** A copy. */
type Taken = CheckpointState;

/**
 * Writes checkpoints beside the steps, which wait for the copy alone. Where the disk is slower than checkpoints are taken, the
 * oldest that wait give way, snapshots excepted; where it fails, it is tried again until it succeeds. A checkpoint is written
 * only after the log's lines up to it.
 */
export class CheckpointWriter implements StepObserver {
  readonly #context: CheckpointContext;
  /** Ascending. */
  #waiting: Taken[] = [];
  /** The last step that the log was told of. */
  #logged: number;
  #working: Promise<void> | undefined;
  #failures = 0;
  #failure: Error | undefined;
  #lost = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(context: CheckpointContext) {
    this.#context = context;
    this.#logged = context.from;
  }

  /** Copies the state; it is written once the log has been told of its step. */
  take(state: CheckpointState): void {
    const { m, v } = state.optimizer;
    const copy = { ...state, weights: state.weights.slice(), optimizer: { m: m.slice(), v: v?.slice() } };
    const waiting = [...this.#waiting, copy];
    const regular = waiting.filter(({ step }) => !this.#isSnapshot(step));
    this.#waiting = waiting.filter((taken) => !regular.slice(0, -MAX_WAITING).includes(taken));
    this.#work();
  }

  onStep({ step }: Pick<StepRecord, 'step'>): void {
    this.#logged = step;
    this.#work();
  }

  /**
   * Resolves once all that was taken is written. Where the disk fails it is tried again for about an hour, so that a long run
   * isn't lost to it; after a stop once.
   * @throws WriteError where it still couldn't be written, RunLockError where the run directory has another owner
   */
  async finish(stop: AbortSignal): Promise<void> {
    while (this.#working !== undefined) await this.#working;
    for (let tries = 0; this.#waiting.length > 0 && !this.#lost && tries < LAST_TRIES; tries++) {
      if (tries > 0 && stop.aborted) break;
      if (tries > 0) await pause(this.#delay, stop);
      this.#work();
      await this.#working;
    }
    clearTimeout(this.#retry);
    if (this.#failure instanceof RunLockError) throw this.#failure;
    if (this.#failure !== undefined) throw new WriteError(this.#failure.message, { cause: this.#failure });
  }

  #isSnapshot(step: number): boolean {
    return isSnapshot(step, this.#context.ends);
  }

  get #delay(): number {
    return Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (this.#failures - 1));
  }

  #work(): void {
    if (this.#lost || this.#working !== undefined || this.#next === undefined) return;
    this.#working = this.#writeWaiting().finally(() => {
      this.#working = undefined;
      // One that came meanwhile; after a failure the timer does it.
      if (this.#failure === undefined) this.#work();
    });
  }

  async #writeWaiting(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    for (let next = this.#next; next !== undefined; next = this.#next) {
      try {
        await this.#write(next);
      } catch (error) {
        this.#failed(error as Error, next.step);
        // The folder may have been removed. Not made below a run directory that is gone: its disk may come back.
        await mkdir(this.#context.folder).catch(() => {});
        return;
      }
      const written = next;
      this.#waiting = this.#waiting.filter((taken) => taken !== written);
      this.#succeeded(next.step);
    }
  }

  get #next(): Taken | undefined {
    return this.#waiting.find(({ step }) => step <= this.#logged);
  }

  async #write(state: Taken): Promise<void> {
    const { folder, files, syncLog, observer, config } = this.#context;
    const { step } = state;
    const start = performance.now();
    await syncLog();
    const info = { config: bitsOf(config), optimizerName: config.optimizer };
    const bytes = encodeCheckpoint({ ...this.#context, ...state, ...info });
    const file = await writeCheckpoint(folder, bytes, { step, files });
    observer.onCheckpoint({ step, file, seconds: (performance.now() - start) / 1000 });
    await this.#prune();
  }

  #failed(error: Error, step: number): void {
    this.#failure = error;
    // What wraps the file system's error may be a checkpoint that couldn't be written.
    const lost = [error, error.cause].find((each) => each instanceof RunLockError && each.lost);
    if (lost !== undefined) {
      this.#lost = true;
      this.#failure = lost as RunLockError;
      this.#context.onLockLost(lost as RunLockError);
      return;
    }
    this.#failures++;
    this.#retry = setTimeout(() => this.#work(), this.#delay).unref();
    // Loud, but not a line for every try of a disk that stays full for days.
    if (Number.isInteger(Math.log2(this.#failures))) {
      this.#print(`CHECKPOINT ${step} FAILED: ${error.message} It is tried again.`);
    }
  }

  #succeeded(step: number): void {
    if (this.#failures > 0) this.#print(`Checkpoints are written again: the one of step ${step} is on the disk.`);
    this.#failures = 0;
    this.#failure = undefined;
  }

  #print(message: string): void {
    this.#context.observer.onEvent({ kind: 'notice', level: 'warn', message });
  }

  /** Removes the oldest beyond those to keep. */
  async #prune(): Promise<void> {
    const { folder, files, config } = this.#context;
    try {
      const regular = (await checkpointsIn(folder)).filter(({ step }) => !this.#isSnapshot(step));
      for (const { file } of regular.slice(config.keep)) await files.remove(file);
    } catch {
      // The next one prunes again; a checkpoint too many does no harm.
    }
  }
}

function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    stop.addEventListener('abort', end);
  });
}
