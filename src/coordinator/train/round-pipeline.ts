import type { TrainConfig } from '../../shared/config/config.ts';
import type { Executor, PartialState, StateVersion, StepPhases } from '../../shared/engine/executor.ts';
import type { Optimizer } from '../../shared/engine/optimizer.ts';
import type { LocalStep } from '../../shared/engine/round-figures.ts';
import { type StateStore, squaredDistance } from '../../shared/engine/state.ts';
import { NotFiniteError } from '../../shared/util/errors.ts';
import type { Round } from './round.ts';
import { roundEnd } from './schedule.ts';

export interface RoundPipelineOptions {
  readonly config: TrainConfig;
  readonly executor: Executor;
  readonly optimizer: Optimizer;
  /** Holds the state before the first round. */
  readonly state: StateStore;
  /** Aborted: no further round is begun. */
  readonly stop: AbortSignal;
  /** Called while the workers compute, for work that no round waits for. */
  readonly whileComputing: () => void;
}

/** The rounds of a run that is cut into replicas, in order. Each begins with the average of the one before it. */
export class RoundPipeline {
  readonly #options: RoundPipelineOptions;

  constructor(options: RoundPipelineOptions) {
    this.#options = options;
  }

  /** Steps `from` to `until` - 1, in rounds. The caller must reduce and apply each before it asks for the next one. */
  async *rounds(from: number, until: number): AsyncGenerator<Round, void, void> {
    const { config, stop } = this.#options;
    for (let t = from; t < until && !stop.aborted; ) {
      const end = Math.min(until, roundEnd(config, t + 1));
      yield new ReplicaRound(t, end, this.#options);
      t = end;
    }
  }
}

/** Local steps of all replicas from one state, then the average of theirs. */
class ReplicaRound implements Round {
  readonly t: number;
  readonly end: number;
  seconds = 0;
  phases: StepPhases | undefined;
  divergence: number | undefined;
  readonly #options: RoundPipelineOptions;
  readonly #start = performance.now();
  #next: StateVersion | undefined;

  constructor(t: number, end: number, options: RoundPipelineOptions) {
    this.t = t;
    this.end = end;
    this.#options = options;
  }

  /** No round begins before the one before it has been applied. */
  get waitedSeconds(): number {
    return this.seconds;
  }

  async reduce(): Promise<LocalStep[]> {
    const { executor, state, whileComputing } = this.#options;
    const steps = this.end - this.t;
    const running = executor.round({ t: this.t, steps, current: state.current });
    whileComputing();
    const { phases, partials } = await running;
    const computed = performance.now();
    const found = this.#average(partials);
    const reduce = phases.reduce + (performance.now() - computed) / 1000;
    this.seconds = (performance.now() - this.#start) / 1000;
    this.phases = { ...phases, reduce };
    return found;
  }

  async apply(check: (next: StateVersion) => void): Promise<void> {
    const next = this.#next as StateVersion;
    check(next);
    this.#options.state.publish(next);
  }

  #average(partials: readonly PartialState[]): LocalStep[] {
    const { optimizer, config, state } = this.#options;
    const { replicas } = config;
    this.#next = state.take();
    const sums = optimizer.average(partials, replicas, this.#next);
    this.#requireFinite(sums.failedAt);
    // The mean of the squared distances to the average is the mean square less the square of the average.
    const step = squaredDistance(this.#next.values, state.current.values);
    this.divergence = step === 0 ? 0 : Math.max(0, sums.moved / replicas / step - 1);
    return Array.from({ length: sums.steps }, (_, step) => {
      const { gradientNorm, ...found } = sums.at(step);
      return { ...found, gradientNorm: gradientNorm / replicas };
    });
  }

  #requireFinite(failedAt: number): void {
    if (failedAt === Number.POSITIVE_INFINITY) return;
    const { replicas } = this.#options.config;
    const step = this.t + Math.floor(failedAt / replicas) + 1;
    const steps = this.end - this.t === 1 ? 'The step was' : `Steps ${this.t + 1} to ${this.end} were`;
    throw new NotFiniteError(
      `Step ${step}, replica ${failedAt % replicas}: expected a finite loss and gradient norm, but got others. ` +
        `${steps} not applied. Try a lower --learning-rate, or --clip-norm.`,
      { step },
    );
  }
}
