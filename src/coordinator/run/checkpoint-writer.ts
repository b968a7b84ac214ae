import { addAbortListener } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { type CheckpointInfo, encodeCheckpoint, type KnownSamples } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointsIn, writeCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { bestBy } from '../../shared/checkpoint/validation-state.ts';
import { bitsOf, type TrainConfig } from '../../shared/config/config.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { RunLockError, WriteError } from '../../shared/util/errors.ts';
import type { FileOperations } from '../../shared/util/replace-file.ts';
import type { StepObserver, StepRecord } from '../train/observer.ts';
import type { CheckpointState } from '../train/training.ts';
import type { WriteFailures } from './write-failures.ts';

/** Pause before the first retry; each further one doubles it, up to the maximum. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** Checkpoints that wait in memory, not counting snapshots. */
const MAX_WAITING = 8;
/** Attempts after the last step, which take about an hour. */
const LAST_TRIES = 66;

export interface CheckpointContext {
  /** Receives the files. */
  readonly folder: string;
  readonly layout: ModelLayout;
  readonly config: TrainConfig;
  readonly digests: CheckpointInfo['digests'];
  readonly samples: KnownSamples;
  /** Updates done before this attempt. */
  readonly from: number;
  /** Steps whose checkpoints are never pruned, as is that of step 0: the early one, and the last one of each attempt as planned. */
  readonly snapshots: readonly number[];
  readonly files: FileOperations;
  /** Writes the lines of the log that were appended so far to the disk. */
  readonly syncLog: () => Promise<void>;
  /** Reports what can't be written, together with the run's other files. */
  readonly failures: WriteFailures;
  readonly observer: Required<Pick<StepObserver, 'onCheckpoint' | 'onEvent'>>;
  /** Called once, if another process owns the run directory: nothing is written after that. */
  readonly onLockLost: (error: RunLockError) => void;
}

/**
 * Writes checkpoints while the steps continue, which only wait for the copy. If the disk is slower than checkpoints are taken, the
 * oldest waiting ones are dropped, but never snapshots or, with --keep-best, the best one; if writing fails, it is retried until it
 * succeeds. A checkpoint is written only after the log's lines up to its step.
 */
export class CheckpointWriter implements StepObserver {
  readonly #context: CheckpointContext;
  /** Copies of states, in ascending order of steps. */
  #waiting: CheckpointState[] = [];
  /** The last step that was appended to the log. */
  #logged: number;
  /** Resolves when the checkpoints that can be written now are written or one failed; undefined if none is being written. */
  #working: Promise<void> | undefined;
  /** Failures since the last success. */
  #failures = 0;
  #failure: Error | undefined;
  /** Whether another process owns the run directory. */
  #lost = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(context: CheckpointContext) {
    this.#context = context;
    this.#logged = context.from;
  }

  /** Copies the state. It is written after its step was appended to the log. */
  take(state: CheckpointState): void {
    const { m, v } = state.optimizer;
    const copy = { ...state, weights: state.weights.slice(), optimizer: { m: m.slice(), v: v?.slice() } };
    const waiting = [...this.#waiting, copy];
    const regular = waiting.filter(({ step }) => !this.#isSnapshot(step));
    const left = waiting.filter((taken) => !regular.slice(0, -MAX_WAITING).includes(taken));
    const best = new Set(left.map((taken) => this.#bestAt(taken)));
    this.#waiting = waiting.filter((taken) => left.includes(taken) || best.has(taken.step));
    this.#work();
  }

  onStep({ step }: Pick<StepRecord, 'step'>): void {
    this.#logged = step;
    this.#work();
  }

  /**
   * Resolves when every checkpoint that was taken is written. If the disk fails, writing is retried for about an hour, so that a
   * long run isn't lost; after a stop it is retried once.
   * @throws WriteError if a checkpoint couldn't be written, RunLockError if another process owns the run directory
   */
  async finish(stop: AbortSignal): Promise<void> {
    while (this.#working !== undefined) await this.#working;
    for (let tries = 0; this.#waiting.length > 0 && !this.#lost && tries < LAST_TRIES; tries++) {
      if (tries > 0 && stop.aborted) break;
      if (tries > 0) await pause(this.#delay, stop);
      this.#retryNow();
      await this.#working;
    }
    clearTimeout(this.#retry);
    if (this.#failure instanceof RunLockError) throw this.#failure;
    if (this.#failure !== undefined) throw new WriteError(this.#failure.message, { cause: this.#failure });
  }

  #isSnapshot(step: number): boolean {
    return step === 0 || this.#context.snapshots.includes(step);
  }

  /** The step whose checkpoint is kept as the best one when the run is in a state; undefined if none is. */
  #bestAt({ validation }: CheckpointState): number | undefined {
    const { keepBest } = this.#context.config;
    return keepBest === false ? undefined : bestBy(keepBest, validation)?.step;
  }

  get #delay(): number {
    return Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (this.#failures - 1));
  }

  #retryNow(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#work();
  }

  /** Writes what waits, unless it is being written, or a failure is so recent that the next attempt has to wait. */
  #work(): void {
    if (this.#lost || this.#working !== undefined || this.#retry !== undefined || this.#next === undefined) return;
    this.#working = this.#writeWaiting().finally(() => {
      this.#working = undefined;
      // Another checkpoint may wait by now; after a failure the timer starts the next attempt.
      if (this.#failure === undefined) this.#work();
    });
  }

  async #writeWaiting(): Promise<void> {
    for (let next = this.#next; next !== undefined; next = this.#next) {
      try {
        await this.#write(next);
      } catch (error) {
        this.#failed(error as Error);
        // The folder may have been removed. It isn't made if the run directory is gone too, because its disk may come back.
        await mkdir(this.#context.folder).catch(() => {});
        return;
      }
      const written = next;
      this.#waiting = this.#waiting.filter((taken) => taken !== written);
      this.#succeeded(next.step);
    }
  }

  /** The first checkpoint that can be written now. */
  get #next(): CheckpointState | undefined {
    return this.#waiting.find(({ step }) => step <= this.#logged);
  }

  async #write(state: CheckpointState): Promise<void> {
    const { folder, files, syncLog, observer, config, samples } = this.#context;
    const { step } = state;
    const start = performance.now();
    await syncLog();
    const info = { config: bitsOf(config), optimizerName: config.optimizer };
    const bytes = encodeCheckpoint({ ...this.#context, ...state, ...info, ...samples });
    const file = await writeCheckpoint(folder, bytes, { step, files });
    observer.onCheckpoint({ step, file, seconds: (performance.now() - start) / 1000 });
    await this.#prune(this.#bestAt(state));
  }

  #failed(error: Error): void {
    // The error about the checkpoint file may wrap the lock's.
    const lost = [error, error.cause].find((each) => each instanceof RunLockError);
    if (lost?.lost) {
      this.#lost = true;
      this.#failure = lost;
      this.#context.onLockLost(lost);
      return;
    }
    this.#failure = error;
    this.#failures++;
    this.#retry = setTimeout(() => this.#retryNow(), this.#delay).unref();
    this.#context.observer.onEvent({ kind: 'disk', failure: error.message });
    this.#context.failures.failed('checkpoints', error);
  }

  #succeeded(step: number): void {
    if (this.#failures > 0) this.#context.observer.onEvent({ kind: 'disk', failure: undefined });
    this.#failures = 0;
    this.#failure = undefined;
    this.#context.failures.succeeded('checkpoints', `that of step ${step} included`);
  }

  /** Removes the oldest checkpoints, except for snapshots, the best one and the last `keep`. */
  async #prune(best: number | undefined): Promise<void> {
    const { folder, files, config } = this.#context;
    try {
      const isKept = (step: number): boolean => this.#isSnapshot(step) || step === best;
      const regular = (await checkpointsIn(folder)).filter(({ step }) => !isKept(step));
      for (const { file } of regular.slice(config.keep)) await files.remove(file);
    } catch {
      // The next checkpoint prunes again, and an extra file does no harm.
    }
  }
}

/** Resolves after a time, or as soon as `stop` is aborted. */
function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stopping[Symbol.dispose]();
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    const stopping = addAbortListener(stop, end);
  });
}
