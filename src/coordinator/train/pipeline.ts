import type { TrainConfig } from '../../shared/config/config.ts';
import type { Executor, StateVersion, StepPhases, StepResult, StepUnderWay } from '../../shared/engine/executor.ts';
import type { Update } from '../../shared/engine/update.ts';
import type { Optimizer } from './optimizer.ts';
import { dueAt } from './schedule.ts';
import type { StateStore } from './state.ts';

/** The steps that are under way take at most this long together, so that the run stops soon after it was asked to. */
const MAX_LOOK_AHEAD_SECONDS = 0.02;

export interface PipelineOptions {
  readonly config: TrainConfig;
  readonly executor: Executor;
  /** Holds the state before the first step. */
  readonly state: StateStore;
  readonly optimizer: Optimizer;
  /** Aborted: no further step is begun; those under way are finished. */
  readonly stop: AbortSignal;
  /** Seconds that the step before the first one took; undefined if there was none. */
  readonly lastSeconds: number | undefined;
  /** Called while the workers compute, for work that no step waits for. */
  readonly whileComputing: () => void;
}

/**
 * The steps of a run in order, sampled and computed ahead of the one that the loop waits for. If gradients may be clipped, or the
 * step before is evaluated, a step begins only after the one before it has been applied.
 */
export class StepPipeline {
  readonly #options: PipelineOptions;
  readonly #underWay: PipelineStep[] = [];
  #lastSeconds: number | undefined;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#lastSeconds = options.lastSeconds;
  }

  /** Steps `from` to `until` - 1. The caller must reduce and apply each before it asks for the next one. */
  async *steps(from: number, until: number): AsyncGenerator<PipelineStep, void, void> {
    const { state, stop, whileComputing } = this.#options;
    for (let t = from; t < until && (this.#underWay.length > 0 || !stop.aborted); t++) {
      const start = performance.now();
      if (this.#underWay.length === 0) this.#begin(t, state.current);
      this.#lookAhead(t, until);
      whileComputing();
      const step = this.#underWay.shift() as PipelineStep;
      step.awaitedAt = start;
      yield step;
      this.#lastSeconds = step.seconds;
    }
  }

  #lookAhead(t: number, until: number): void {
    const { config, stop } = this.#options;
    for (let next = t + this.#underWay.length; this.#underWay.length < this.#depth; next++) {
      // The state after a step that is clipped or evaluated isn't known before that step has been applied.
      if (next >= until || config.clipNorm > 0 || stop.aborted || dueAt(config, next).evaluation) return;
      this.#begin(next, (this.#underWay.at(-1) as PipelineStep).next);
    }
  }

  /** The number of steps that may be under way at once. */
  get #depth(): number {
    if (this.#lastSeconds === undefined) return 1;
    return Math.max(1, Math.min(this.#options.executor.depth, Math.floor(MAX_LOOK_AHEAD_SECONDS / this.#lastSeconds)));
  }

  /** @param current the state that the step starts from; an earlier step may still be computing it */
  #begin(t: number, current: StateVersion): void {
    const { executor, state, optimizer } = this.#options;
    const next = state.take();
    const underWay = executor.begin({ t, current, next, update: optimizer.update(t) });
    this.#underWay.push(new PipelineStep({ t, next, underWay, executor, state }));
  }
}

interface StepOptions extends Pick<PipelineOptions, 'executor' | 'state'> {
  readonly t: number;
  readonly next: StateVersion;
  readonly underWay: StepUnderWay;
}

/** A step that has begun. */
export class PipelineStep {
  /** Updates applied before this one. */
  readonly t: number;
  /** The state after this step. */
  readonly next: StateVersion;
  /** Time at which the loop began to wait for this step, in milliseconds of `performance.now()`. */
  awaitedAt = 0;
  /** Seconds from drawing the samples to the updated weights. Complete after `apply`. */
  seconds = 0;
  /** Seconds of each phase. Complete after `apply`. */
  phases: StepPhases | undefined;
  /** Seconds for which the loop waited for this step. Known after `apply`. */
  waitedSeconds = 0;
  readonly #options: StepOptions;

  constructor(options: StepOptions) {
    this.t = options.t;
    this.next = options.next;
    this.#options = options;
  }

  /**
   * The sums over the global batch. The executor has also computed the state `next`, which becomes current by `apply`.
   * @throws WorkerError if workers failed too often, AbandonedError if the run stops and no worker is left
   */
  async reduce(): Promise<StepResult> {
    const result = await this.#options.underWay.finish();
    this.seconds = result.seconds;
    this.phases = result.phases;
    return result;
  }

  /**
   * Makes the state after this step the current one.
   * @param clipped the update to apply first, if gradients may be clipped
   * @param check called with the state before it becomes current; if it throws, the state doesn't
   */
  async apply(clipped: Update | undefined, check: (next: StateVersion) => void): Promise<void> {
    const { executor, state } = this.#options;
    const before = performance.now();
    if (clipped !== undefined) await executor.update(clipped);
    const after = performance.now();
    check(this.next);
    state.publish(this.next);
    const clipping = (after - before) / 1000;
    this.seconds += clipping;
    if (this.phases !== undefined) this.phases = { ...this.phases, update: this.phases.update + clipping };
    this.waitedSeconds = (after - this.awaitedAt) / 1000;
  }
}
