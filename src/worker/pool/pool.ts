import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { type EvaluatedChunks, joinChunks } from '../../shared/engine/evaluation.ts';
import type {
  Evaluation,
  Executor,
  GradientPhases,
  Partial,
  StepResult,
  StepUnderWay,
  StepWork,
  WeightsVersion,
} from '../../shared/engine/executor.ts';
import { addLosses } from '../../shared/engine/losses.ts';
import { Sampler, type SamplerOptions } from '../../shared/engine/sampler.ts';
import { prepareTfjs } from '../../shared/engine/tfjs/load.ts';
import { cover, depthOf, type TreeNode, unitCount } from '../../shared/engine/tree.ts';
import { BlockUpdater, type Update, UpdateRecord } from '../../shared/engine/update.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { planKernel } from '../../shared/engine/wasm/plan.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { DealCounts } from '../../shared/scheduler/ledger.ts';
import { Dealer } from '../../shared/scheduler/split-by-speed.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import type { BackendName } from './backend.ts';
import { BARRIER_WORDS, MAXIMUM_WAITING, StepBarriers } from './barrier.ts';
import { BlockWork } from './block-work.ts';
import { BELL_WORDS, Bell } from './completion-signal.ts';
import type { Fault } from './faults.ts';
import { Job, StepJob } from './job.ts';
import {
  type Answer,
  type Assignment,
  type Command,
  DEPTH,
  MAILBOX_WORDS,
  MAXIMUM_NODES,
  NOTHING_DONE,
} from './mailbox.ts';
import { EvaluationRegion, PartialRegion, RegionStore } from './regions.ts';
import type { SampleSet } from './thread.ts';
import { type Attempt, Crew, type CrewSetup, type Slot } from './worker-threads.ts';

/** Test samples of one evaluation chunk: part of the contract, since losses are summed by chunks. */
export const CHUNK_SIZE = 200;
/** How often open work looks after slow and dead workers, at the least. Keeps the process alive meanwhile. */
const PATROL_MS = 100;
/** A worker is slow at this many times its expected seconds, and hangs at that many more. */
const SLOW_FACTOR = 10;
const SLOW_MINIMUM_SECONDS = 0.25;
const HUNG_SECONDS = 30;
/** A slice of an update takes far less than a millisecond. */
const UPDATE_SECONDS = 2;
/** Most between two turns of the event loop: what a metrics request or a signal may wait. */
const TURN_MS = 5;
/** Longer than the coordinator's work between two steps. */
const SPIN_MS = 0.3;
const NO_BLOCKS: TreeNode = { begin: 0, end: 0 };

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
  readonly nodes: readonly TreeNode[];
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
  readonly dealCounts: DealCounts = { first: 0, retry: 0, duplicate: 0 };
  /** [workers]: samples that each computed gradients of. */
  readonly workerSamples: number[];
  /** Of the last call of `gradient`. */
  gradientPhases: GradientPhases = { sample: 0, compute: 0, reduce: 0 };
  /** Threads that died. */
  workersLost = 0;
  readonly #options: LocalPoolOptions;
  readonly #crew: Crew;
  readonly #bell: Bell;
  readonly #barriers: StepBarriers;
  readonly #dealer = new Dealer();
  /** One a lane. */
  readonly #records: readonly UpdateRecord[];
  readonly #regions: RegionStore;
  readonly #patrol: NodeJS.Timeout;
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
    this.#bell = new Bell(memory.int32(BELL_WORDS));
    this.#barriers = new StepBarriers(memory.int32(BARRIER_WORDS));
    this.#patrol = setInterval(() => this.#bell.ring(), PATROL_MS).unref();
    const { parameters } = layout;
    this.#records = Array.from({ length: DEPTH }, () => UpdateRecord.allocate(memory, parameters, this.#shards));
    this.#regions = regionsFor(options);
    const struck = memory.int32(options.faults?.length ?? 0);
    const setups = Array.from({ length: workers }, (_, worker) => this.#setup(worker, struck));
    memory.seal();
    this.#crew = new Crew(setups, {
      onLost: (slot, cause) => this.#lost(slot, cause),
      onFatal: (error) => {
        this.#fatal = error;
      },
    });
  }

  /** Threads that are up. */
  get ready(): number {
    return this.#crew.ready;
  }

  get workers(): number {
    return this.#options.workers;
  }

  get #shards(): number {
    return this.#options.batch / this.#options.shardSize;
  }

  begin(work: StepWork): StepUnderWay {
    if (this.#open.length === DEPTH) throw new Error(`${DEPTH} steps are under way already.`);
    const lane = this.#steps++ % DEPTH;
    const step = new StepJob({ ...work, shards: this.#shards, blocks: this.#blocks, lane });
    this.#dispatch(step, () => this.#startTogether(step, this.#open.at(-1)));
    this.#open.push(step);
    return { finish: () => this.#finishStep(step) };
  }

  async #finishStep(step: StepJob): Promise<StepResult> {
    for (const [i, open] of this.#open.entries()) {
      if (open.team === 0) this.#dispatch(open, () => this.#startTogether(open, this.#open[i - 1]));
    }
    const partials = (await this.#finish(step)).map((assignment) => this.#partialOf(assignment));
    await this.#settled(step.blocks);
    const record = this.#recordOf(step);
    if (!step.blocks.complete) {
      record.write({ ...step.update, current: step.current, next: step.next, partials });
      await this.#apply(step.blocks, step.lane);
    }
    this.#open.shift();
    const { total, ...phases } = step.seconds;
    // Dispatching goes on beside the steps before.
    const wait = Math.max(0, total - phases.sample - phases.compute - phases.reduce - phases.update);
    return { ...addLosses(partials), squares: record.squares(), seconds: total, phases: { ...phases, wait } };
  }

  async update(update: Update): Promise<void> {
    const lane = (this.#steps - 1) % DEPTH;
    this.#records[lane]?.rewrite(update);
    await this.#apply(new BlockWork(this.#blocks), lane);
  }

  /**
   * Partials that together make up the work's nodes, each of them or its parts. They hold until the next step, evaluation or
   * gradient, but for one that keeps them.
   * @throws WorkerError where the same shards failed again and again
   */
  async gradient({ t, weights, nodes, keeps = false }: GradientWork): Promise<readonly Partial[]> {
    const job = new Job({ kind: 'gradient', t, weights, units: this.#shards, nodes });
    const assignments = await this.#finish(job, keeps);
    this.gradientPhases = job.seconds;
    return assignments.map((assignment) => this.#partialOf(assignment));
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
  async evaluateChunks(weights: WeightsVersion, ranges: readonly TreeNode[]): Promise<EvaluatedChunks[]> {
    const samples = this.#options.test.labels.length;
    const units = this.#chunks;
    const nodes = ranges.flatMap(({ begin, end }) => cover(units, begin, end));
    const assignments = await this.#finish(new Job({ kind: 'evaluate', t: 0, weights, units, nodes }));
    return assignments.map(({ node, region }) => {
      const result = new EvaluationRegion(this.#options.memory.memory.buffer, region, node, CHUNK_SIZE);
      const count = Math.min(samples, node.end * CHUNK_SIZE) - node.begin * CHUNK_SIZE;
      return { node, losses: result.losses.slice(), predictions: result.allPredictions.slice(0, count) };
    });
  }

  get #chunks(): number {
    return Math.ceil(this.#options.test.labels.length / CHUNK_SIZE);
  }

  /** Ends a worker's thread as a crash would; for tests and drills. */
  async kill(worker: number): Promise<void> {
    const slot = this.#crew.slots[worker];
    if (slot !== undefined) await this.#crew.terminate(slot);
  }

  async close(): Promise<void> {
    clearInterval(this.#patrol);
    // Work that is open, or asked for later, would wait for ever.
    this.#fatal ??= new Error('The pool was closed.');
    this.#bell.ring();
    await this.#crew.close();
  }

  /**
   * Gives a step to the workers that are up and have nothing to do, or nothing but the steps before it. Where it can't be dealt
   * in one go, nothing is started.
   */
  #startTogether(step: StepJob, before: StepJob | undefined): void {
    if (this.#fatal !== undefined || before?.ticket === 0) return;
    const calm = ({ job }: Attempt): boolean => job instanceof StepJob && job.ticket !== 0;
    const able = this.#crew.slots.filter(({ queue, mailbox }) => mailbox.thread !== 0 && queue.every(calm));
    const speeds = this.#crew.speedsOf(able, 'gradient');
    const dealt = this.#dealer.deal(step.round.units, step.round.missing(), speeds);
    const team = able.filter((_, i) => dealt[i]?.length);
    const shares = dealt.filter(({ length }) => length > 0);
    const count = shares.reduce((sum, { length }) => sum + length, 0);
    if (count > this.#regions.free || shares.some(({ length }) => length > MAXIMUM_NODES)) return;
    if (team.length === 0 || team.length > MAXIMUM_WAITING) return;
    const assignments = shares.map((nodes) => this.#withRegions(nodes));
    this.#recordOf(step).write({
      ...step.update,
      ...{ current: step.current, next: step.next },
      partials: assignments
        .flat()
        .map(({ node, region }) => ({ node, gradient: this.#regions.partial(region).gradient })),
    });
    const slices = step.blocks.take(team.length);
    step.team = team.length;
    step.ticket = this.#barriers.open(team.length);
    const command = { kind: 'step', ticket: step.ticket, after: before?.ticket ?? 0 } as const;
    for (const [i, slot] of team.entries()) {
      this.#start(slot, { ...command, assignments: assignments[i] ?? [], record: step.lane }, step, {
        work: step.blocks,
        range: slices[i],
      });
    }
  }

  #dispatch({ seconds }: Job, deal: () => void): void {
    const start = performance.now();
    deal();
    seconds.dispatch += (performance.now() - start) / 1000;
  }

  /** Works on a job until it is complete; its results' regions stay lent until the next job is. */
  async #finish(job: Job, keeps = false): Promise<Assignment[]> {
    await this.#until(
      () => job.round.complete,
      () => this.#dispatch(job, () => this.#assign(job)),
    );
    job.closed = true;
    if (!keeps) this.#regions.reclaim();
    this.#regions.lend(job.regions);
    return job.round.results();
  }

  /** Waits for those who are at a slice: what they write must not reach a later state. */
  async #settled(blocks: BlockWork): Promise<void> {
    await this.#until(
      () => !blocks.underWay,
      () => {},
    );
  }

  /** Applies a lane's update record to the blocks that are missing. */
  async #apply(blocks: BlockWork, lane: number): Promise<void> {
    const deal = (): void => {
      const { free } = this.#crew;
      for (const [i, range] of blocks.take(free.length).entries()) {
        this.#start(free[i] as Slot, { kind: 'update', assignments: [], record: lane }, undefined, {
          work: blocks,
          range,
        });
      }
    };
    await this.#until(() => blocks.complete, deal);
  }

  /** Takes in what workers finish and deals what is missing until all is done. */
  async #until(done: () => boolean, deal: () => void): Promise<void> {
    if (this.#crew.idle) this.#bell.reset();
    this.#patrol.ref();
    try {
      for (;;) {
        const heard = this.#bell.heard;
        this.#settleFinished();
        this.#countReady();
        if (this.#fatal !== undefined) throw this.#fatal;
        if (done()) break;
        this.#abandonSlow();
        deal();
        if (await this.#bell.wait(heard, this.#quorum)) this.#lastTurn = performance.now();
      }
      await this.#breathe();
    } finally {
      this.#patrol.unref();
    }
  }

  /** Commands that may be under way still when this thread is woken: half of those behind the first step. */
  get #quorum(): number {
    // Nobody counts down where nobody works: a thread that comes up rings.
    if (this.#crew.idle) return -1;
    const behind = this.#open.slice(1).filter(({ ticket }) => ticket !== 0);
    return behind.slice(behind.length >> 1).reduce((sum, { team }) => sum + team, 0);
  }

  /** Lets the event loop turn now and then: where there is never anything to wait for, it doesn't by itself. */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#lastTurn < TURN_MS) return;
    await setImmediate();
    this.#lastTurn = performance.now();
  }

  /** Deals what is missing of a job to the workers that are free. */
  #assign(job: Job): void {
    const missing = job.round.missing();
    if (missing.length === 0) return;
    const { free } = this.#crew;
    const shares = this.#dealer.deal(job.round.units, missing, this.#crew.speedsOf(free, job.kind));
    for (const [i, slot] of free.entries()) {
      // Regions can run short only after many failures; what finds none is dealt later.
      const nodes = (shares[i] ?? []).slice(0, Math.min(MAXIMUM_NODES, this.#regions.free));
      if (nodes.length > 0) this.#start(slot, { kind: job.kind, assignments: this.#withRegions(nodes) }, job);
    }
  }

  #withRegions(nodes: readonly TreeNode[]): Assignment[] {
    return nodes.map((node) => ({ node, region: this.#regions.take() }));
  }

  #start(slot: Slot, part: CommandPart, job: Job | undefined, blocks?: BlockPart): void {
    const command = {
      ...{ ticket: 0, after: 0, record: 0 },
      ...part,
      t: job?.t ?? 0,
      weights: job?.weights.values.byteOffset ?? 0,
      blocks: blocks?.range ?? NO_BLOCKS,
    };
    const nodes = command.assignments.map(({ node }) => node);
    if (job !== undefined) job.weights.readers++;
    job?.round.hold(nodes, job.kind === 'gradient' ? this.dealCounts : undefined);
    this.#bell.arm();
    const sequence = slot.mailbox.send(command);
    const work = blocks?.range && blocks.work;
    const attempt = { command, nodes, job, blocks: work, sequence, startedAt: performance.now() };
    slot.queue.push({ ...attempt, reads: job !== undefined, abandoned: false });
  }

  #countReady(): void {
    const { ready } = this.#crew;
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#options.onReady?.(ready);
  }

  #settleFinished(): void {
    for (const slot of this.#crew.slots) {
      for (let first = slot.queue[0]; first !== undefined; first = slot.queue[0]) {
        if (!slot.mailbox.hasFinished(first.sequence)) break;
        slot.queue.shift();
        const next = slot.queue[0];
        if (next !== undefined) next.startedAt = performance.now();
        slot.launches = 0;
        // It was counted out when it was given up, and again when it finished.
        if (first.abandoned) this.#bell.arm();
        const answer = slot.mailbox.answer(first.sequence);
        if (answer.computed) this.#crew.measure(slot, first, answer.work);
        if (answer.computed && first.job?.kind === 'gradient') this.#countSamples(slot, first);
        this.#settle(first, answer);
      }
    }
  }

  #countSamples({ worker }: Slot, { nodes }: Attempt): void {
    const before = this.workerSamples[worker] as number;
    this.workerSamples[worker] = before + unitCount(nodes) * this.#options.shardSize;
  }

  /** Nothing of the attempt runs any more. What it has of a job that is still wanted is taken in, its other buffers are free. */
  #settle(attempt: Attempt, answer: Answer): void {
    const { computed, updated } = answer;
    const { command, nodes, job, blocks, abandoned } = attempt;
    stopReading(attempt);
    if (updated) blocks?.applied();
    else blocks?.giveBack(command.blocks);
    if (job === undefined) return;
    if (!abandoned) job.round.abandon(nodes);
    job.took(answer);
    const wanted = computed && job.accepts;
    if (computed && job.kind === 'gradient') this.shardCounts[wanted ? 'done' : 'late'] += unitCount(nodes);
    // Even if it isn't wanted: others may still be at their slices of the update, which read the regions of the whole team.
    const kept = wanted || (command.kind === 'step' && !job.closed);
    for (const assignment of command.assignments) {
      if (wanted) job.round.succeed(assignment.node, assignment);
      if (kept) job.regions.push(assignment.region);
      else this.#regions.give(assignment.region);
    }
  }

  /** Gives up waiting for slow workers, and ends those that hang. */
  #abandonSlow(): void {
    for (const slot of this.#crew.slots) {
      const attempt = slot.queue[0];
      if (attempt === undefined) continue;
      const seconds = (performance.now() - attempt.startedAt) / 1000;
      const limit = Math.max(SLOW_MINIMUM_SECONDS, SLOW_FACTOR * this.#expectedSeconds(slot, attempt));
      if (seconds <= limit) continue;
      if (!attempt.abandoned && this.#updates(attempt)) {
        // Others can't take it over: what it still writes would reach a later state.
        if (seconds > limit + UPDATE_SECONDS) void this.#crew.terminate(slot);
        continue;
      }
      if (!attempt.abandoned) {
        for (const each of slot.queue) this.#abandon(each, each === attempt);
        // The barriers send it away before it begins on any of these.
        for (const behind of slot.queue.slice(1)) stopReading(behind);
      }
      if (seconds > Math.max(HUNG_SECONDS, SLOW_FACTOR * limit)) void this.#crew.terminate(slot);
    }
  }

  #expectedSeconds({ speeds }: Slot, { job, nodes }: Attempt): number {
    if (job === undefined) return 0;
    const speed = speeds[job.kind];
    return speed === undefined ? 1 : unitCount(nodes) / speed;
  }

  /** Whether the attempt has come to its update; if not, it never will. */
  #updates({ command: { kind, ticket } }: Attempt): boolean {
    if (kind !== 'step') return kind === 'update';
    const updates = !this.#barriers.close(ticket);
    this.#breakOff();
    return updates;
  }

  /** Nobody waits for others any more: what isn't computed or updated by then is dealt anew. */
  #breakOff(): void {
    for (const step of this.#open) {
      if (step.ticket !== 0) this.#barriers.close(step.ticket);
      step.ticket = 0;
    }
  }

  #abandon(attempt: Attempt, goesOn: boolean): void {
    attempt.abandoned = true;
    if (goesOn) attempt.job?.round.giveUp(attempt.nodes);
    else attempt.job?.round.abandon(attempt.nodes);
    attempt.blocks?.giveBack(attempt.command.blocks);
    attempt.blocks = undefined;
    this.#bell.count();
  }

  #lost(slot: Slot, cause: Error): void {
    // What it finished before counts.
    this.#settleFinished();
    this.#breakOff();
    for (const [i, attempt] of slot.queue.splice(0).entries()) {
      const { command, nodes, job, blocks } = attempt;
      this.#settle(attempt, NOTHING_DONE);
      if (!attempt.abandoned) this.#bell.count();
      // It can't be the fault of what it hadn't begun.
      if (i > 0) continue;
      if (job?.kind === 'gradient') this.shardCounts.lost += unitCount(nodes);
      const unit = job?.closed === false ? job.round.fail(nodes) : undefined;
      if (unit !== undefined) this.#fatal = this.#hopeless(command, unit, cause);
      else if (job === undefined && blocks?.fail()) this.#fatal = this.#hopeless(command, command.blocks.begin, cause);
    }
    this.workersLost++;
    this.#options.onLost?.(slot.worker, cause);
    this.#bell.ring();
  }

  #hopeless({ kind, t }: Command, unit: number, cause: Error): WorkerError {
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

  #partialOf({ node, region }: Assignment): Partial {
    const partial = this.#regions.partial(region);
    return { node, gradient: partial.gradient, ...partial.read() };
  }

  get #blocks(): number {
    return (this.#records[0] as UpdateRecord).blocks;
  }

  #recordOf({ lane }: StepJob): UpdateRecord {
    return this.#records[lane] as UpdateRecord;
  }

  #setup(worker: number, struck: Int32Array): CrewSetup {
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
      bell: this.#bell.words,
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
      faults: { list: faults ?? [], struck },
    };
  }
}

function stopReading(attempt: Attempt): void {
  if (attempt.reads && attempt.job !== undefined) attempt.job.weights.readers--;
  attempt.reads = false;
}

type CommandPart = Pick<Command, 'kind' | 'assignments'> & {
  [Key in 'ticket' | 'after' | 'record']?: Command[Key];
};

/** Blocks of an update that a command applies; no range: none of them. */
interface BlockPart {
  readonly work: BlockWork;
  readonly range: TreeNode | undefined;
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
