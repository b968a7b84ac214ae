import type { TrainConfig } from '../../shared/config/config.ts';
import type { Executor, StateVersion, StepPhases, StepUnderWay } from '../../shared/engine/executor.ts';
import type { Optimizer } from '../../shared/engine/optimizer.ts';
import type { LocalStep } from '../../shared/engine/round-figures.ts';
import type { StateStore } from '../../shared/engine/state.ts';
import type { Round } from './round.ts';
import { dueAt } from './schedule.ts';

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

  /** Steps `from` to `until` - 1, each as a round. The caller must reduce and apply each before it asks for the next one. */
  async *rounds(from: number, until: number): AsyncGenerator<Round, void, void> {
    const { config, state, stop, whileComputing } = this.#options;
    // A run that is stopped finishes what a round would be with several replicas.
    const goesOn = (t: number): boolean => this.#underWay.length > 0 || !stop.aborted || t % config.syncEvery !== 0;
    for (let t = from; t < until && goesOn(t); t++) {
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
    this.#underWay.push(new PipelineStep({ t, next, underWay, executor, state, optimizer }));
  }
}

interface StepOptions extends Pick<PipelineOptions, 'executor' | 'state' | 'optimizer'> {
  readonly t: number;
  readonly next: StateVersion;
  readonly underWay: StepUnderWay;
}

/** A step that has begun. */
class PipelineStep implements Round {
  readonly t: number;
  /** The state after this step. */
  readonly next: StateVersion;
  /** Time at which the loop began to wait for this step, in milliseconds of `performance.now()`. */
  awaitedAt = 0;
  seconds = 0;
  phases: StepPhases | undefined;
  waitedSeconds = 0;
  #gradientNorm = 0;
  readonly #options: StepOptions;

  constructor(options: StepOptions) {
    this.t = options.t;
    this.next = options.next;
    this.#options = options;
  }

  get end(): number {
    return this.t + 1;
  }

  /** The executor has also computed the state `next`, which becomes current by `apply`. */
  async reduce(): Promise<LocalStep[]> {
    const { underWay, optimizer } = this.#options;
    const { lossSum, correct, squares, seconds, phases } = await underWay.finish();
    this.seconds = seconds;
    this.phases = phases;
    this.#gradientNorm = optimizer.gradientNorm(this.t, { lossSum, squares });
    return [{ lossSum, correct, gradientNorm: this.#gradientNorm }];
  }

  async apply(check: (next: StateVersion) => void): Promise<void> {
    const { executor, state, optimizer } = this.#options;
    const before = performance.now();
    // The update to apply first, if gradients may be clipped.
    const clipped = optimizer.clipped(this.t, this.#gradientNorm);
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
