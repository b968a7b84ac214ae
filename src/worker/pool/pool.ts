import { type EvaluatedChunks, type EvaluationChunks, joinChunks } from '../../shared/engine/evaluation.ts';
import type {
  Evaluation,
  Executor,
  GradientPhases,
  PartialGradient,
  RoundResult,
  RoundWork,
  StepResult,
  StepUnderWay,
  StepWork,
  WeightsVersion,
} from '../../shared/engine/executor.ts';
import { addLosses } from '../../shared/engine/losses.ts';
import { prepareTfjs } from '../../shared/engine/tfjs/load.ts';
import { cover, type ShardRange } from '../../shared/engine/tree.ts';
import type { Update, UpdateRecord } from '../../shared/engine/update.ts';
import { instantiateKernel, type KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { AttemptCounts } from '../../shared/scheduler/ledger.ts';
import { Watchdog } from '../../shared/scheduler/watchdog.ts';
import { BlockWork } from './block-work.ts';
import { Dispatcher } from './dispatch.ts';
import { PoolJob, StepJob } from './job.ts';
import { DEPTH, type RangeTarget } from './mailbox.ts';
import { OpenSteps } from './open-steps.ts';
import { Recovery } from './recovery.ts';
import { EvaluationRegion, type PartialRegion, type RegionStore } from './regions.ts';
import { retriesExhausted } from './retries-exhausted.ts';
import { type ReplicasWork, Rounds } from './rounds.ts';
import { Settlement } from './settlement.ts';
import { CHUNK_SIZE, type LocalPoolOptions, layOutPool } from './setup.ts';
import { WaitLoop } from './wait-loop.ts';
import { WorkerThreads } from './worker-threads.ts';

export interface GradientWork {
  /** Updates done before this step: decides which samples it sees. */
  readonly t: number;
  readonly weights: WeightsVersion;
  /** Disjoint ranges of the step's reduction tree. */
  readonly ranges: readonly ShardRange[];
  /** The partial gradients of the call before stay valid. */
  readonly keeps?: boolean;
}

/**
 * The threads of this process as an executor; docs/pool.md describes how they work together. The dispatcher gives work to
 * workers, the settlement takes in what they finish, the recovery gives the work of slow and lost workers back, and the wait
 * loop has each of them do its part until a job is done.
 */
export class LocalPool implements Executor {
  readonly depth = DEPTH;
  /** Phases of the last call of `gradient`. */
  gradientPhases: GradientPhases = { sample: 0, compute: 0, reduce: 0 };
  readonly #options: LocalPoolOptions;
  readonly #threads: WorkerThreads;
  readonly #regions: RegionStore<PartialRegion>;
  readonly #rounds: Rounds | undefined;
  readonly #records: readonly UpdateRecord[];
  readonly #steps: OpenSteps;
  readonly #chunks: EvaluationChunks;
  readonly #watchdog: Watchdog;
  readonly #dispatcher: Dispatcher;
  readonly #settlement: Settlement;
  readonly #recovery: Recovery;
  readonly #loop: WaitLoop;
  readonly #wake: () => void;
  #begun = 0;

  /**
   * Starts the threads; they need not be up when this returns.
   * @throws BackendError if the backend isn't set up, ModelError if it can't run the model
   */
  constructor(options: LocalPoolOptions) {
    if (options.backend === 'tfjs') prepareTfjs();
    const { signal, barriers, records, regions, rounds, chunks, setups } = layOutPool(options);
    options.memory.seal();
    this.#options = options;
    this.#records = records;
    this.#chunks = chunks;
    this.#regions = regions;
    const kernel = (): KernelExports => instantiateKernel(options.kernel, options.memory.memory);
    this.#rounds = options.replicas && rounds && new Rounds({ ...options.replicas, ...rounds, kernel: kernel() });
    this.#wake = () => signal.signal();
    const steps = new OpenSteps(barriers);
    const watchdog = new Watchdog(this.#wake, options.clock);
    const threads = new WorkerThreads(setups, {
      onLost: (slot, cause) => {
        this.#recovery.lost(slot, cause);
        options.onLost?.(slot.worker, cause);
      },
      onFatal: (error) => this.#end(error),
      onReady: (ready) => options.onReady?.(ready),
    });
    const settlement = new Settlement({ threads, watchdog, shardSize: options.shardSize });
    const recovery = new Recovery({
      threads,
      signal,
      barriers,
      steps,
      settlement,
      watchdog,
      retriesExhausted: (command, unit, cause) => retriesExhausted(options, command, { unit, cause }),
    });
    this.#steps = steps;
    this.#watchdog = watchdog;
    this.#threads = threads;
    this.#settlement = settlement;
    this.#recovery = recovery;
    this.#dispatcher = new Dispatcher({ threads, signal, barriers, regions, records, watchdog });
    this.#loop = new WaitLoop({ threads, signal, steps, settlement, recovery, watchdog });
  }

  get workers(): number {
    return this.#options.workers;
  }

  /** Threads that are up. */
  get ready(): number {
    return this.#threads.ready;
  }

  /** Threads that died. */
  get workersLost(): number {
    return this.#recovery.workersLost;
  }

  /** Workers that are slow now: others may be given what they are at. */
  get workersSlow(): number {
    return this.#threads.slots.filter(({ queue }) => queue[0]?.isGivenUp).length;
  }

  /** [workers]: samples that each computed gradients of. */
  get workerSamples(): readonly number[] {
    return this.#settlement.workerSamples;
  }

  /** What became of the shards that workers were given, */
  get shardCounts(): Readonly<Record<'done' | 'late' | 'lost', number>> {
    return this.#settlement.shardCounts;
  }

  /** and why they were given them. */
  get attemptCounts(): Readonly<AttemptCounts> {
    return this.#dispatcher.attemptCounts;
  }

  /** @param work `firstShard` is where the shards of a replica's step begin in the global batch */
  begin(work: StepWork & { readonly firstShard?: number }): StepUnderWay {
    if (this.#steps.count === DEPTH) throw new Error(`${DEPTH} steps are under way already.`);
    const ringSlot = this.#begun++ % DEPTH;
    const parts = { shards: this.#shards, blocks: this.#blocks, ringSlot, store: this.#regions };
    const step = new StepJob({ ...work, ...parts });
    this.#start(step, this.#steps.last);
    this.#steps.add(step);
    return { finish: () => this.#finishStep(step) };
  }

  #start(step: StepJob, before: StepJob | undefined): void {
    if (this.#recovery.fatal === undefined) step.dispatch(() => this.#dispatcher.startStep(step, before));
  }

  async #finishStep(step: StepJob): Promise<StepResult> {
    this.#steps.startRest((rest, before) => this.#start(rest, before));
    const partials = (await this.#finish(step)).map((target) => this.#partialOf(target));
    // What workers still write at their slices of the update must not reach a later state.
    await this.#loop.until(
      () => !step.blocks.underWay,
      () => {},
    );
    const record = this.#records[step.ringSlot] as UpdateRecord;
    if (!step.blocks.complete) {
      record.write({ ...step.update, current: step.current, next: step.next, partials });
      await this.#apply(step.blocks, step.ringSlot);
    }
    this.#steps.removeFirst();
    // Dispatching runs while earlier steps are computed. Objects are written out: copies of others cost as much as all else here.
    const { total, sample, dispatch, compute, reduce, update } = step.seconds;
    const wait = Math.max(0, total - sample - compute - reduce - update);
    const { lossSum, correct } = addLosses(partials);
    const phases = { sample, dispatch, compute, reduce, update, wait };
    return { lossSum, correct, squares: record.squares(), seconds: total, phases };
  }

  async update(update: Update): Promise<void> {
    const ringSlot = (this.#begun - 1) % DEPTH;
    this.#records[ringSlot]?.rewrite(update);
    await this.#apply(new BlockWork(this.#blocks), ringSlot);
  }

  /**
   * Partial gradients that together make up the work's ranges, each of them or its parts. They are valid until the next step,
   * evaluation or gradient, unless that keeps them.
   * @throws WorkerError if the same shards failed repeatedly
   */
  async gradient({ t, weights, ranges, keeps = false }: GradientWork): Promise<readonly PartialGradient[]> {
    const job = new PoolJob({ kind: 'gradient', t, weights, units: this.#shards, ranges, store: this.#regions });
    const targets = await this.#finish(job, keeps);
    this.gradientPhases = job.seconds;
    return targets.map((target) => this.#partialOf(target));
  }

  async round({ t, steps, current }: RoundWork): Promise<RoundResult> {
    const replicas = this.#options.replicas?.replicas ?? 0;
    const { partials, seconds } = await this.replicas({
      t,
      steps,
      state: current,
      ranges: [{ begin: 0, end: replicas }],
    });
    return { partials, seconds: seconds.total, phases: seconds };
  }

  /**
   * The states of replicas after their local steps, a partial each; they hold until the next call.
   * @throws WorkerError if the same replica failed repeatedly
   */
  replicas(work: ReplicasWork): ReturnType<Rounds['train']> {
    if (this.#rounds === undefined) throw new Error('The job is not cut into replicas.');
    return this.#rounds.train(this, work);
  }

  async evaluate(weights: WeightsVersion): Promise<Evaluation> {
    const parts = await this.evaluateChunks(weights, [{ begin: 0, end: this.#chunks.count }]);
    return joinChunks(parts, this.#chunks);
  }

  /**
   * Classifies ranges of the evaluation's chunks; the results are copies.
   * @param ranges disjoint, ascending
   * @throws WorkerError if the same chunks failed repeatedly
   */
  async evaluateChunks(weights: WeightsVersion, ranges: readonly ShardRange[]): Promise<EvaluatedChunks[]> {
    const units = this.#chunks.count;
    const covered = ranges.flatMap(({ begin, end }) => cover(units, begin, end));
    const job = new PoolJob({ kind: 'evaluate', t: 0, weights, units, ranges: covered, store: this.#regions });
    const targets = await this.#finish(job);
    return targets.map(({ range, region }) => {
      const result = new EvaluationRegion(this.#options.memory.memory.buffer, region, range, CHUNK_SIZE);
      return { range, losses: result.losses.slice(), predictions: result.predictionsOf(this.#chunks) };
    });
  }

  /** Ends a worker's thread as a crash would; for tests and drills. */
  async kill(worker: number): Promise<void> {
    const slot = this.#threads.slots[worker];
    if (slot !== undefined) await this.#threads.terminate(slot);
  }

  async close(): Promise<void> {
    this.#watchdog.close();
    // Work that is open, or asked for later, would wait for ever.
    this.#end(new Error('The pool was closed.'));
    await this.#threads.close();
  }

  /** Whoever waits for work fails with `error`, unless there is one already. */
  #end(error: Error): void {
    this.#recovery.fatal ??= error;
    this.#wake();
  }

  /** Works on a job until it is complete; its results' regions stay lent until the next job is. */
  async #finish(job: PoolJob, keeps = false): Promise<RangeTarget[]> {
    const targets = await this.complete(job);
    if (!keeps) this.#regions.reclaim();
    this.#regions.lend(job.regions);
    return targets;
  }

  /** Works on a job until it is complete. */
  async complete(job: PoolJob): Promise<RangeTarget[]> {
    await this.#loop.until(
      () => job.ledger.complete,
      () => job.dispatch(() => this.#dispatcher.assign(job)),
    );
    job.closed = true;
    return job.ledger.results();
  }

  /** Applies an update record to the blocks that are missing. */
  async #apply(blocks: BlockWork, ringSlot: number): Promise<void> {
    await this.#loop.until(
      () => blocks.complete,
      () => this.#dispatcher.assignBlocks(blocks, ringSlot),
    );
  }

  #partialOf({ range, region }: RangeTarget): PartialGradient {
    const partial = this.#regions.at(region);
    return { range, gradient: partial.gradient, ...partial.read() };
  }

  get #shards(): number {
    return this.#options.batch / this.#options.shardSize;
  }

  get #blocks(): number {
    return (this.#records[0] as UpdateRecord).blocks;
  }
}
