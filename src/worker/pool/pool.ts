import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { type EvaluatedChunks, joinChunks } from '../../shared/engine/evaluation.ts';
import type {
  Evaluation,
  Executor,
  GradientPhases,
  PartialGradient,
  StepResult,
  StepUnderWay,
  StepWork,
  WeightsVersion,
} from '../../shared/engine/executor.ts';
import { addLosses } from '../../shared/engine/losses.ts';
import { Sampler, type SamplerOptions } from '../../shared/engine/sampler.ts';
import { prepareTfjs } from '../../shared/engine/tfjs/load.ts';
import { cover, depthOf, type ShardRange, unitCount } from '../../shared/engine/tree.ts';
import { BlockUpdater, type Update, UpdateRecord } from '../../shared/engine/update.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { planKernel } from '../../shared/engine/wasm/plan.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { AttemptCounts } from '../../shared/scheduler/ledger.ts';
import { SpeedSplitter } from '../../shared/scheduler/split-by-speed.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { BackendName } from './backend.ts';
import { BARRIER_WORDS, MAX_WAITING, StepBarriers } from './barrier.ts';
import { BlockWork } from './block-work.ts';
import { COMPLETION_SIGNAL_WORDS, CompletionSignal } from './completion-signal.ts';
import type { Fault } from './faults.ts';
import { Job, StepJob } from './job.ts';
import {
  type Answer,
  type Command,
  DEPTH,
  MAILBOX_WORDS,
  MAX_RANGES,
  NOTHING_DONE,
  type RangeTarget,
} from './mailbox.ts';
import { EvaluationRegion, PartialRegion, RegionStore } from './regions.ts';
import type { SampleSet } from './sample-set.ts';
import { type Attempt, type Slot, type WorkerThreadSetup, WorkerThreads } from './worker-threads.ts';

/** Test samples of one evaluation chunk: part of the contract, since losses are summed by chunks. */
export const CHUNK_SIZE = 200;
/** How often open work looks after slow and dead workers, at the least. Keeps the process alive meanwhile. */
const WATCHDOG_MS = 100;
/** A worker is slow at this many times its expected seconds, and hangs at that many more. */
const SLOW_FACTOR = 10;
const SLOW_MINIMUM_SECONDS = 0.25;
const HUNG_SECONDS = 30;
/** A slice of an update takes far less than a millisecond. */
const UPDATE_SECONDS = 2;
/** Most between two turns of the event loop: what a metrics request or a signal may wait. */
const EVENT_LOOP_TURN_MS = 5;
/** Longer than the coordinator's work between two steps. */
const SPIN_MS = 0.3;
const NO_BLOCKS: ShardRange = { begin: 0, end: 0 };

export interface LocalPoolOptions {
  readonly workers: number;
  readonly memory: SharedMemory;
  readonly kernel: WebAssembly.Module;
  readonly layout: ModelLayout;
  /** Default: kernel. Reduction and updates are the kernel's with any. */
  readonly backend?: BackendName;
  /** In `memory`. */
  readonly train: SampleSet;
  readonly test: SampleSet;
  readonly batch: number;
  readonly shardSize: number;
  readonly sampler: SamplerOptions;
  /** Told of every worker that was lost, with the cause. */
  readonly onLost?: (worker: number, cause: Error) => void;
  /** Told when it changes how many workers are ready. */
  readonly onReady?: (ready: number) => void;
  readonly faults?: readonly Fault[];
}

export interface GradientWork {
  /** Updates done before this step: decides which samples it sees. */
  readonly t: number;
  readonly weights: WeightsVersion;
  /** Disjoint nodes of the step's reduction tree. */
  readonly ranges: readonly ShardRange[];
  /** The partials of the gradient before hold on. */
  readonly keeps?: boolean;
}

/**
 * The threads of this process as an executor, each stepped through its mailbox. Work of a thread that dies or is slow goes to
 * the others at once; the thread is replaced.
 *
 * In a calm run no worker waits for this thread: a step is one command to each worker (gradient, barrier, update of its
 * slice), given while the workers are still at the steps before. Whatever goes wrong closes the barriers, and what isn't done
 * by then is dealt anew.
 */
export class LocalPool implements Executor {
  readonly depth = DEPTH;
  /** What became of the shards that workers were given, and why they were. */
  readonly shardCounts = { done: 0, late: 0, lost: 0 };
  readonly attemptCounts: AttemptCounts = { first: 0, retry: 0, duplicate: 0 };
  /** [workers]: samples that each computed gradients of. */
  readonly workerSamples: number[];
  /** Of the last call of `gradient`. */
  gradientPhases: GradientPhases = { sample: 0, compute: 0, reduce: 0 };
  /** Threads that died. */
  workersLost = 0;
  readonly #options: LocalPoolOptions;
  readonly #threads: WorkerThreads;
  readonly #signal: CompletionSignal;
  readonly #barriers: StepBarriers;
  readonly #splitter = new SpeedSplitter();
  /** One a lane. */
  readonly #records: readonly UpdateRecord[];
  readonly #regions: RegionStore;
  readonly #watchdog: NodeJS.Timeout;
  /** Steps that aren't done, in their order; at most one a lane. */
  readonly #open: StepJob[] = [];
  #steps = 0;
  #lastTurn = 0;
  #ready = 0;
  #fatal: Error | undefined;

  /**
   * Starts the threads; they need not be up when this returns.
   * @throws BackendError where the backend isn't set up
   */
  constructor(options: LocalPoolOptions) {
    this.#options = options;
    if (options.backend === 'tfjs') prepareTfjs();
    const { workers, memory, layout } = options;
    this.workerSamples = Array.from({ length: workers }, () => 0);
    this.#signal = new CompletionSignal(memory.int32(COMPLETION_SIGNAL_WORDS));
    this.#barriers = new StepBarriers(memory.int32(BARRIER_WORDS));
    this.#watchdog = setInterval(() => this.#signal.signal(), WATCHDOG_MS).unref();
    const { parameters } = layout;
    this.#records = Array.from({ length: DEPTH }, () => UpdateRecord.allocate(memory, parameters, this.#shards));
    this.#regions = regionsFor(options);
    const fired = memory.int32(options.faults?.length ?? 0);
    const setups = Array.from({ length: workers }, (_, worker) => this.#setup(worker, fired));
    memory.seal();
    this.#threads = new WorkerThreads(setups, {
      onLost: (slot, cause) => this.#lost(slot, cause),
      onFatal: (error) => {
        this.#fatal = error;
      },
    });
  }

  /** Threads that are up. */
  get ready(): number {
    return this.#threads.ready;
  }

  get workers(): number {
    return this.#options.workers;
  }

  get #shards(): number {
    return this.#options.batch / this.#options.shardSize;
  }

  begin(work: StepWork): StepUnderWay {
    if (this.#open.length === DEPTH) throw new Error(`${DEPTH} steps are under way already.`);
    const ringSlot = this.#steps++ % DEPTH;
    const step = new StepJob({ ...work, shards: this.#shards, blocks: this.#blocks, ringSlot });
    this.#dispatch(step, () => this.#startTogether(step, this.#open.at(-1)));
    this.#open.push(step);
    return { finish: () => this.#finishStep(step) };
  }

  async #finishStep(step: StepJob): Promise<StepResult> {
    for (const [i, open] of this.#open.entries()) {
      if (open.team === 0) this.#dispatch(open, () => this.#startTogether(open, this.#open[i - 1]));
    }
    const partials = (await this.#finish(step)).map((target) => this.#partialOf(target));
    await this.#settled(step.blocks);
    const record = this.#recordOf(step);
    if (!step.blocks.complete) {
      record.write({ ...step.update, current: step.current, next: step.next, partials });
      await this.#apply(step.blocks, step.ringSlot);
    }
    this.#open.shift();
    const { total, ...phases } = step.seconds;
    // Dispatching goes on beside the steps before.
    const wait = Math.max(0, total - phases.sample - phases.compute - phases.reduce - phases.update);
    return { ...addLosses(partials), squares: record.squares(), seconds: total, phases: { ...phases, wait } };
  }

  async update(update: Update): Promise<void> {
    const ringSlot = (this.#steps - 1) % DEPTH;
    this.#records[ringSlot]?.rewrite(update);
    await this.#apply(new BlockWork(this.#blocks), ringSlot);
  }

  /**
   * Partials that together make up the work's nodes, each of them or its parts. They hold until the next step, evaluation or
   * gradient, but for one that keeps them.
   * @throws WorkerError where the same shards failed again and again
   */
  async gradient({ t, weights, ranges, keeps = false }: GradientWork): Promise<readonly PartialGradient[]> {
    const job = new Job({ kind: 'gradient', t, weights, units: this.#shards, ranges });
    const targets = await this.#finish(job, keeps);
    this.gradientPhases = job.seconds;
    return targets.map((target) => this.#partialOf(target));
  }

  async evaluate(weights: WeightsVersion): Promise<Evaluation> {
    const chunks = await this.evaluateChunks(weights, [{ begin: 0, end: this.#chunks }]);
    return joinChunks(chunks, { samples: this.#options.test.labels.length, chunkSize: CHUNK_SIZE });
  }

  /**
   * Classifies ranges of the test set's chunks; the results are copies.
   * @param ranges disjoint, ascending
   * @throws WorkerError where the same chunks failed again and again
   */
  async evaluateChunks(weights: WeightsVersion, ranges: readonly ShardRange[]): Promise<EvaluatedChunks[]> {
    const samples = this.#options.test.labels.length;
    const units = this.#chunks;
    const covered = ranges.flatMap(({ begin, end }) => cover(units, begin, end));
    const targets = await this.#finish(new Job({ kind: 'evaluate', t: 0, weights, units, ranges: covered }));
    return targets.map(({ range, region }) => {
      const result = new EvaluationRegion(this.#options.memory.memory.buffer, region, range, CHUNK_SIZE);
      const count = Math.min(samples, range.end * CHUNK_SIZE) - range.begin * CHUNK_SIZE;
      return { range, losses: result.losses.slice(), predictions: result.allPredictions.slice(0, count) };
    });
  }

  get #chunks(): number {
    return Math.ceil(this.#options.test.labels.length / CHUNK_SIZE);
  }

  /** Ends a worker's thread as a crash would; for tests and drills. */
  async kill(worker: number): Promise<void> {
    const slot = this.#threads.slots[worker];
    if (slot !== undefined) await this.#threads.terminate(slot);
  }

  async close(): Promise<void> {
    clearInterval(this.#watchdog);
    // Work that is open, or asked for later, would wait for ever.
    this.#fatal ??= new Error('The pool was closed.');
    this.#signal.signal();
    await this.#threads.close();
  }

  /**
   * Gives a step to the workers that are up and have nothing to do, or nothing but the steps before it. Where it can't be dealt
   * in one go, nothing is started.
   */
  #startTogether(step: StepJob, before: StepJob | undefined): void {
    if (this.#fatal !== undefined || before?.generation === 0) return;
    const calm = ({ job }: Attempt): boolean => job instanceof StepJob && job.generation !== 0;
    const able = this.#threads.slots.filter(({ queue, mailbox }) => mailbox.thread !== 0 && queue.every(calm));
    const speeds = this.#threads.speedsOf(able, 'gradient');
    const assigned = this.#splitter.split(step.ledger.units, step.ledger.missing(), speeds);
    const team = able.filter((_, i) => assigned[i]?.length);
    const parts = assigned.filter(({ length }) => length > 0);
    const count = parts.reduce((sum, { length }) => sum + length, 0);
    if (count > this.#regions.free || parts.some(({ length }) => length > MAX_RANGES)) return;
    if (team.length === 0 || team.length > MAX_WAITING) return;
    const targets = parts.map((ranges) => this.#withRegions(ranges));
    this.#recordOf(step).write({
      ...step.update,
      ...{ current: step.current, next: step.next },
      partials: targets
        .flat()
        .map(({ range, region }) => ({ range, gradient: this.#regions.partial(region).gradient })),
    });
    const slices = step.blocks.take(team.length);
    step.team = team.length;
    step.generation = this.#barriers.open(team.length);
    const command = { kind: 'step', generation: step.generation, after: before?.generation ?? 0 } as const;
    for (const [i, slot] of team.entries()) {
      this.#start(slot, { ...command, targets: targets[i] ?? [], record: step.ringSlot }, step, {
        work: step.blocks,
        range: slices[i],
      });
    }
  }

  #dispatch({ seconds }: Job, assign: () => void): void {
    const start = performance.now();
    assign();
    seconds.dispatch += (performance.now() - start) / 1000;
  }

  /** Works on a job until it is complete; its results' regions stay lent until the next job is. */
  async #finish(job: Job, keeps = false): Promise<RangeTarget[]> {
    await this.#until(
      () => job.ledger.complete,
      () => this.#dispatch(job, () => this.#assign(job)),
    );
    job.closed = true;
    if (!keeps) this.#regions.reclaim();
    this.#regions.lend(job.regions);
    return job.ledger.results();
  }

  /** Waits for those who are at a slice: what they write must not reach a later state. */
  async #settled(blocks: BlockWork): Promise<void> {
    await this.#until(
      () => !blocks.underWay,
      () => {},
    );
  }

  /** Applies a lane's update record to the blocks that are missing. */
  async #apply(blocks: BlockWork, ringSlot: number): Promise<void> {
    const assign = (): void => {
      const { free } = this.#threads;
      for (const [i, range] of blocks.take(free.length).entries()) {
        this.#start(free[i] as Slot, { kind: 'update', targets: [], record: ringSlot }, undefined, {
          work: blocks,
          range,
        });
      }
    };
    await this.#until(() => blocks.complete, assign);
  }

  /** Takes in what workers finish and deals what is missing until all is done. */
  async #until(done: () => boolean, assign: () => void): Promise<void> {
    if (this.#threads.idle) this.#signal.reset();
    this.#watchdog.ref();
    try {
      for (;;) {
        const signalled = this.#signal.read;
        this.#settleFinished();
        this.#countReady();
        if (this.#fatal !== undefined) throw this.#fatal;
        if (done()) break;
        this.#abandonSlow();
        assign();
        if (await this.#signal.wait(signalled, this.#wakeThreshold)) this.#lastTurn = performance.now();
      }
      await this.#yieldToEventLoop();
    } finally {
      this.#watchdog.unref();
    }
  }

  /** Commands that may be under way still when this thread is woken: half of those behind the first step. */
  get #wakeThreshold(): number {
    // Nobody counts down where nobody works: a thread that comes up rings.
    if (this.#threads.idle) return -1;
    const behind = this.#open.slice(1).filter(({ generation }) => generation !== 0);
    return behind.slice(behind.length >> 1).reduce((sum, { team }) => sum + team, 0);
  }

  /** Lets the event loop turn now and then: where there is never anything to wait for, it doesn't by itself. */
  async #yieldToEventLoop(): Promise<void> {
    if (performance.now() - this.#lastTurn < EVENT_LOOP_TURN_MS) return;
    await setImmediate();
    this.#lastTurn = performance.now();
  }

  /** Deals what is missing of a job to the workers that are free. */
  #assign(job: Job): void {
    const missing = job.ledger.missing();
    if (missing.length === 0) return;
    const { free } = this.#threads;
    const parts = this.#splitter.split(job.ledger.units, missing, this.#threads.speedsOf(free, job.kind));
    for (const [i, slot] of free.entries()) {
      // Regions can run short only after many failures; what finds none is dealt later.
      const ranges = (parts[i] ?? []).slice(0, Math.min(MAX_RANGES, this.#regions.free));
      if (ranges.length > 0) this.#start(slot, { kind: job.kind, targets: this.#withRegions(ranges) }, job);
    }
  }

  #withRegions(ranges: readonly ShardRange[]): RangeTarget[] {
    return ranges.map((range) => ({ range, region: this.#regions.take() }));
  }

  #start(slot: Slot, part: CommandPart, job: Job | undefined, blocks?: BlockPart): void {
    const command = {
      ...{ generation: 0, after: 0, record: 0 },
      ...part,
      t: job?.t ?? 0,
      weights: job?.weights.values.byteOffset ?? 0,
      blocks: blocks?.range ?? NO_BLOCKS,
    };
    const ranges = command.targets.map(({ range }) => range);
    if (job !== undefined) job.weights.readers++;
    job?.ledger.hold(ranges, job.kind === 'gradient' ? this.attemptCounts : undefined);
    this.#signal.arm();
    const sequence = slot.mailbox.send(command);
    const work = blocks?.range && blocks.work;
    const attempt = { command, ranges, job, blocks: work, sequence, startedAt: performance.now() };
    slot.queue.push({ ...attempt, reads: job !== undefined, abandoned: false });
  }

  #countReady(): void {
    const { ready } = this.#threads;
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#options.onReady?.(ready);
  }

  #settleFinished(): void {
    for (const slot of this.#threads.slots) {
      for (let first = slot.queue[0]; first !== undefined; first = slot.queue[0]) {
        if (!slot.mailbox.hasFinished(first.sequence)) break;
        slot.queue.shift();
        const next = slot.queue[0];
        if (next !== undefined) next.startedAt = performance.now();
        slot.launches = 0;
        // It was counted out when it was given up, and again when it finished.
        if (first.abandoned) this.#signal.arm();
        const answer = slot.mailbox.answer(first.sequence);
        if (answer.computed) this.#threads.measure(slot, first, answer.work);
        if (answer.computed && first.job?.kind === 'gradient') this.#countSamples(slot, first);
        this.#settle(first, answer);
      }
    }
  }

  #countSamples({ worker }: Slot, { ranges }: Attempt): void {
    const before = this.workerSamples[worker] as number;
    this.workerSamples[worker] = before + unitCount(ranges) * this.#options.shardSize;
  }

  /** Nothing of the attempt runs any more. What it has of a job that is still wanted is taken in, its other buffers are free. */
  #settle(attempt: Attempt, answer: Answer): void {
    const { computed, updated } = answer;
    const { command, ranges, job, blocks, abandoned } = attempt;
    stopReading(attempt);
    if (updated) blocks?.applied();
    else blocks?.giveBack(command.blocks);
    if (job === undefined) return;
    if (!abandoned) job.ledger.abandon(ranges);
    job.took(answer);
    const wanted = computed && job.accepts;
    if (computed && job.kind === 'gradient') this.shardCounts[wanted ? 'done' : 'late'] += unitCount(ranges);
    // Even if it isn't wanted: others may still be at their slices of the update, which read the regions of the whole team.
    const kept = wanted || (command.kind === 'step' && !job.closed);
    for (const target of command.targets) {
      if (wanted) job.ledger.succeed(target.range, target);
      if (kept) job.regions.push(target.region);
      else this.#regions.give(target.region);
    }
  }

  /** Gives up waiting for slow workers, and ends those that hang. */
  #abandonSlow(): void {
    for (const slot of this.#threads.slots) {
      const attempt = slot.queue[0];
      if (attempt === undefined) continue;
      const seconds = (performance.now() - attempt.startedAt) / 1000;
      const limit = Math.max(SLOW_MINIMUM_SECONDS, SLOW_FACTOR * this.#expectedSeconds(slot, attempt));
      if (seconds <= limit) continue;
      if (!attempt.abandoned && this.#updates(attempt)) {
        // Others can't take it over: what it still writes would reach a later state.
        if (seconds > limit + UPDATE_SECONDS) void this.#threads.terminate(slot);
        continue;
      }
      if (!attempt.abandoned) {
        for (const each of slot.queue) this.#abandon(each, each === attempt);
        // The barriers send it away before it begins on any of these.
        for (const behind of slot.queue.slice(1)) stopReading(behind);
      }
      if (seconds > Math.max(HUNG_SECONDS, SLOW_FACTOR * limit)) void this.#threads.terminate(slot);
    }
  }

  #expectedSeconds({ speeds }: Slot, { job, ranges }: Attempt): number {
    if (job === undefined) return 0;
    const speed = speeds[job.kind];
    return speed === undefined ? 1 : unitCount(ranges) / speed;
  }

  /** Whether the attempt has come to its update; if not, it never will. */
  #updates({ command: { kind, generation } }: Attempt): boolean {
    if (kind !== 'step') return kind === 'update';
    const updates = !this.#barriers.close(generation);
    this.#breakOff();
    return updates;
  }

  /** Nobody waits for others any more: what isn't computed or updated by then is dealt anew. */
  #breakOff(): void {
    for (const step of this.#open) {
      if (step.generation !== 0) this.#barriers.close(step.generation);
      step.generation = 0;
    }
  }

  #abandon(attempt: Attempt, goesOn: boolean): void {
    attempt.abandoned = true;
    if (goesOn) attempt.job?.ledger.giveUp(attempt.ranges);
    else attempt.job?.ledger.abandon(attempt.ranges);
    attempt.blocks?.giveBack(attempt.command.blocks);
    attempt.blocks = undefined;
    this.#signal.count();
  }

  #lost(slot: Slot, cause: Error): void {
    // What it finished before counts.
    this.#settleFinished();
    this.#breakOff();
    for (const [i, attempt] of slot.queue.splice(0).entries()) {
      const { command, ranges, job, blocks } = attempt;
      this.#settle(attempt, NOTHING_DONE);
      if (!attempt.abandoned) this.#signal.count();
      // It can't be the fault of what it hadn't begun.
      if (i > 0) continue;
      if (job?.kind === 'gradient') this.shardCounts.lost += unitCount(ranges);
      const unit = job?.closed === false ? job.ledger.fail(ranges) : undefined;
      if (unit !== undefined) this.#fatal = this.#retriesExhausted(command, unit, cause);
      else if (job === undefined && blocks?.fail())
        this.#fatal = this.#retriesExhausted(command, command.blocks.begin, cause);
    }
    this.workersLost++;
    this.#options.onLost?.(slot.worker, cause);
    this.#signal.signal();
  }

  #retriesExhausted({ kind, t }: Command, unit: number, cause: Error): WorkerError {
    const names = { evaluate: `chunk ${unit} of the test set`, update: `block ${unit} of an update` };
    const ofStep = kind === 'gradient' || kind === 'step';
    const samples = ofStep ? this.#samplesOf(t, unit) : undefined;
    const what = ofStep ? `shard ${unit} of step ${t + 1} (training samples ${samples?.join(', ')})` : names[kind];
    const message = `Workers failed on ${what} again and again; the last cause: ${cause.message}`;
    return new WorkerError(message, { cause, ...(samples === undefined ? {} : { step: t + 1, shard: unit, samples }) });
  }

  /** Places in the data set of a shard's samples. */
  #samplesOf(t: number, shard: number): number[] {
    const { sampler, shardSize } = this.#options;
    const indices = new Int32Array(shardSize);
    new Sampler(sampler).fill(t, shard * shardSize, shardSize, indices, new Int8Array(2 * shardSize));
    return [...indices];
  }

  #partialOf({ range, region }: RangeTarget): PartialGradient {
    const partial = this.#regions.partial(region);
    return { range, gradient: partial.gradient, ...partial.read() };
  }

  get #blocks(): number {
    return (this.#records[0] as UpdateRecord).blocks;
  }

  #recordOf({ ringSlot }: StepJob): UpdateRecord {
    return this.#records[ringSlot] as UpdateRecord;
  }

  #setup(worker: number, fired: Int32Array): WorkerThreadSetup {
    const { backend = 'kernel' } = this.#options;
    const { memory, kernel, layout, train, test, sampler, shardSize, workers, faults } = this.#options;
    return {
      worker,
      memory: memory.memory,
      kernel,
      backend,
      layout,
      plan: planKernel(layout, shardSize, memory),
      mailbox: memory.int32(MAILBOX_WORDS),
      signal: this.#signal.words,
      barriers: this.#barriers.words,
      train,
      test,
      sampler,
      shardSize,
      chunkSize: CHUNK_SIZE,
      levels: Array.from({ length: depthOf(this.#shards) }, () => memory.parameters(layout.parameters)),
      updates: this.#records.map(({ plan }) => plan),
      updateScratch: BlockUpdater.scratch(memory, this.#shards),
      spinMs: workers <= availableParallelism() ? SPIN_MS : 0,
      faults: { list: faults ?? [], fired },
    };
  }
}

function stopReading(attempt: Attempt): void {
  if (attempt.reads && attempt.job !== undefined) attempt.job.weights.readers--;
  attempt.reads = false;
}

type CommandPart = Pick<Command, 'kind' | 'targets'> & {
  [Key in 'generation' | 'after' | 'record']?: Command[Key];
};

/** Blocks of an update that a command applies; no range: none of them. */
interface BlockPart {
  readonly work: BlockWork;
  readonly range: ShardRange | undefined;
}

/**
 * Enough regions for as many full rounds of every worker as may be under way, broken off or lent; memory is only taken by
 * those that are used.
 */
function regionsFor({ memory, layout, test, workers, batch, shardSize }: LocalPoolOptions): RegionStore {
  const chunks = Math.ceil(test.labels.length / CHUNK_SIZE);
  const nodesOfRun = 2 * Math.max(1, depthOf(batch / shardSize), depthOf(chunks));
  const bytes = Math.max(PartialRegion.bytes(layout.parameters), EvaluationRegion.bytes(chunks, CHUNK_SIZE));
  return new RegionStore(memory, { count: (DEPTH + 2) * workers * nodesOfRun, bytes, parameters: layout.parameters });
}
