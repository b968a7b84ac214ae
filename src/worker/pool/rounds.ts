import type {
  PartialState,
  StateVersion,
  StepPhases,
  StepResult,
  StepUnderWay,
  StepWork,
} from '../../shared/engine/executor.ts';
import { Optimizer } from '../../shared/engine/optimizer.ts';
import type { ReplicaOptions } from '../../shared/engine/replica.ts';
import type { LocalStep } from '../../shared/engine/round-figures.ts';
import { copyState, StateStore, squaredDistance } from '../../shared/engine/state.ts';
import { type ShardRange, unitsOf } from '../../shared/engine/tree.ts';
import type { Update } from '../../shared/engine/update.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { Layout } from '../../shared/engine/wasm/memory.ts';
import { PoolJob } from './job.ts';
import type { RangeTarget } from './mailbox.ts';
import type { RegionStore, StateRegion } from './regions.ts';

/** Local steps of some replicas, from a common state. */
export interface ReplicasWork {
  readonly t: number;
  readonly steps: number;
  readonly state: StateVersion;
  /** Disjoint ranges of the tree over replicas. */
  readonly ranges: readonly ShardRange[];
  /** The partials of the call before stay valid. */
  readonly keeps?: boolean;
}

/** What a pool does for rounds. */
export interface RoundsPool {
  /** Threads that are up. */
  readonly ready: number;
  begin(work: StepWork & { readonly firstShard: number }): StepUnderWay;
  update(update: Update): Promise<void>;
  /** Works on a job until it is complete. */
  complete(job: PoolJob): Promise<RangeTarget[]>;
}

export interface RoundsOptions extends ReplicaOptions {
  readonly kernel: KernelExports;
  readonly states: RegionStore<StateRegion>;
  /** Of local steps that all threads take together; undefined if there is but one thread. */
  readonly together: StateStore | undefined;
}

type TakenStep = StepResult & LocalStep;
type Seconds = { -readonly [Phase in keyof StepPhases]: number } & { total: number };

/**
 * The local steps of replicas by the threads of a pool: as many replicas as there are threads at once, one each, without any barrier; then
 * what is left, one after the other, each step by all threads together.
 */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #optimizer: Optimizer;

  constructor(options: RoundsOptions) {
    this.#options = options;
    this.#optimizer = new Optimizer(options.kernel, options.optimizer);
  }

  /** The states in which local steps are taken by all threads together. */
  static allocate(memory: Layout, { shape }: Pick<ReplicaOptions, 'shape'>, workers: number): StateStore | undefined {
    // The state before and after a step, and those that slow threads may still read.
    return workers === 1 ? undefined : new StateStore(memory, { ...shape, versions: workers + 2 });
  }

  /** @returns a partial of each replica, and the seconds; they hold until the next call. @throws WorkerError if one failed too often */
  async train(pool: RoundsPool, work: ReplicasWork): Promise<{ partials: PartialState[]; seconds: Seconds }> {
    const { states, replicas, steps: maxSteps, shards } = this.#options;
    if (work.steps > maxSteps || work.ranges.some(({ end }) => end > replicas)) {
      throw new Error(`The job has ${replicas} replicas and at most ${maxSteps} local steps.`);
    }
    const start = performance.now();
    if (work.keeps !== true) states.reclaim();
    const all = unitsOf(work.ranges);
    const apart = this.#trainedApart(all.length, pool.ready);
    const job = new PoolJob({
      kind: 'replica',
      t: work.t,
      weights: work.state,
      steps: work.steps,
      units: replicas,
      shardsPerUnit: shards * work.steps,
      ranges: all.slice(0, apart),
      store: states,
    });
    const targets = apart === 0 ? [] : await pool.complete(job);
    states.lend(job.regions);
    const seconds: Seconds = { ...job.seconds, wait: 0 };
    // Waiting for the slowest thread.
    const { dispatch, sample, compute, reduce, update } = seconds;
    const elapsed = (performance.now() - start) / 1000;
    seconds.wait = Math.max(0, elapsed - dispatch - sample - compute - reduce - update);
    for (const range of all.slice(apart)) targets.push(await this.#trainTogether(pool, work, range, seconds));
    seconds.total = (performance.now() - start) / 1000;
    const partials = targets.map(({ range, region }) => {
      const result = states.at(region);
      return { range, state: result.state, figures: result.figures(work.steps) };
    });
    return { partials, seconds };
  }

  /** The number of replicas that get a thread each. */
  #trainedApart(count: number, ready: number): number {
    const { together, shards } = this.#options;
    return together === undefined || shards === 1 || ready <= 1 ? count : count - (count % ready);
  }

  async #trainTogether(
    pool: RoundsPool,
    { t, steps, state }: ReplicasWork,
    range: ShardRange,
    seconds: Seconds,
  ): Promise<RangeTarget> {
    const { states, shards, replicas } = this.#options;
    const together = this.#options.together as StateStore;
    const region = states.take();
    const result = states.at(region);
    const figures = result.figures(steps);
    figures.clear();
    together.load(state.values, state);
    for (let step = 0; step < steps; step++) {
      const firstShard = range.begin * shards;
      const found = await this.#step(pool, together, t + step, firstShard);
      for (const [phase, spent] of Object.entries(found.phases)) seconds[phase as keyof StepPhases] += spent;
      if (!figures.set(step, found, step * replicas + range.begin)) break;
    }
    copyState(together.current, result.state);
    figures.moved = squaredDistance(result.state.values, state.values);
    states.lend([region]);
    return { range, region };
  }

  async #step(pool: RoundsPool, together: StateStore, t: number, firstShard: number): Promise<TakenStep> {
    const [current, next] = [together.current, together.take()];
    const result = await pool.begin({ t, current, next, update: this.#optimizer.update(t), firstShard }).finish();
    const gradientNorm = this.#optimizer.normOf(result.squares);
    const clipped = this.#optimizer.clipped(t, gradientNorm);
    if (clipped !== undefined) await pool.update(clipped);
    together.publish(next);
    return { ...result, gradientNorm };
  }
}
