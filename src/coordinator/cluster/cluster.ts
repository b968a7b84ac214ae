import { WorkerError } from '../../shared/errors.ts';
import { type EvaluatedChunks, joinChunks } from '../../shared/evaluation.ts';
import type {
  Evaluation,
  Executor,
  Partial,
  StepResult,
  StepUnderWay,
  StepWork,
  WeightsVersion,
} from '../../shared/executor.ts';
import type { KernelExports } from '../../shared/kernel/exports.ts';
import type { SharedMemory } from '../../shared/kernel/memory.ts';
import { Dealer } from '../../shared/reduction/deal.ts';
import { addLosses } from '../../shared/reduction/losses.ts';
import { Portions } from '../../shared/reduction/portions.ts';
import { type TreeNode, unitCount } from '../../shared/tree.ts';
import { BlockUpdater, type Update, UpdateRecord } from '../../shared/update.ts';
import { GradientBuffers } from './buffers.ts';
import { Job } from './job.ts';
import { type Member, MemberGoneError, type Piece, type PieceResult, type ShardCounts } from './member.ts';
import { Seat } from './seat.ts';

/** How long the cluster may be without members before it says so again. */
const LONELY_MS = 10_000;
/** Before those who failed, all of them, are asked again. */
const RETRY_MS = 100;
/** Of one piece. */
const MAXIMUM_NODES = 8;

export interface ClusterOptions {
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  /** An instance of the coordinator's own thread. */
  readonly kernel: KernelExports;
  readonly parameters: number;
  readonly shards: number;
  readonly testSamples: number;
  /** Test samples of one chunk. */
  readonly chunkSize: number;
  /** Told, now and then, that nobody is there to compute. */
  readonly onLonely: () => void;
}

/**
 * Members that may come and go at any moment, as one executor: each step's tree is dealt to those who are there, by their
 * measured speeds; what a member fails at, or is slow at, goes to others. Reduces and updates in the coordinator's own thread.
 */
export class Cluster implements Executor {
  /** Of a step under way the next one needs the weights. */
  readonly depth = 1;
  /** What became of the shards that each member was given, by its name. */
  readonly shardCounts = new Map<string, ShardCounts>();
  readonly #options: ClusterOptions;
  readonly #buffers: GradientBuffers;
  readonly #record: UpdateRecord;
  readonly #updater: BlockUpdater;
  readonly #portions = new Portions();
  readonly #dealer = new Dealer();
  readonly #seats = new Set<Seat>();
  /** Updates done before each state that a step or an evaluation may name. */
  readonly #ages = new WeakMap<WeightsVersion, number>();
  #wake = (): void => {};
  #fatal: Error | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { memory, kernel, parameters, shards } = options;
    this.#buffers = new GradientBuffers(memory, parameters, shards);
    this.#record = UpdateRecord.allocate(memory, parameters, shards);
    this.#updater = new BlockUpdater(kernel, this.#record.plan, BlockUpdater.scratch(memory, shards));
  }

  /** From now on it is given work. */
  join(member: Member): void {
    this.#seats.add(new Seat(member));
    if (!this.shardCounts.has(member.name)) this.shardCounts.set(member.name, { done: 0, late: 0, lost: 0 });
    this.#wake();
  }

  /** It gets no more work; what it is at may still come. */
  leave(member: Member): void {
    for (const seat of this.#seats) {
      if (seat.member !== member) continue;
      this.#seats.delete(seat);
      // Nobody watches any more whether it is slow.
      seat.giveUp();
    }
    this.#wake();
  }

  begin(work: StepWork): StepUnderWay {
    return { finish: () => this.#step(work) };
  }

  async #step({ t, current, next, update }: StepWork): Promise<StepResult> {
    this.#ages.set(current, t).set(next, t + 1);
    const [start, whole] = [performance.now(), { begin: 0, end: this.#options.shards }];
    this.#buffers.reclaim();
    const partials = await this.#complete(new Job<Partial>('gradient', { t, weights: current, whole }));
    const computed = performance.now();
    this.#record.write({ ...update, current, next, partials });
    this.#updater.apply({ begin: 0, end: this.#record.blocks });
    const end = performance.now();
    const seconds = {
      total: (end - start) / 1000,
      compute: (computed - start) / 1000,
      update: (end - computed) / 1000,
    };
    return { ...addLosses(partials), squares: this.#record.squares(), seconds };
  }

  async update(update: Update): Promise<void> {
    this.#record.rewrite(update);
    this.#updater.apply({ begin: 0, end: this.#record.blocks });
  }

  async evaluate(weights: WeightsVersion): Promise<Evaluation> {
    const { testSamples: samples, chunkSize } = this.#options;
    const t = this.#ages.get(weights) ?? 0;
    const whole = { begin: 0, end: Math.ceil(samples / chunkSize) };
    const job = new Job<EvaluatedChunks>('evaluate', { t, weights, whole });
    return joinChunks(await this.#complete(job), { samples, chunkSize });
  }

  async close(): Promise<void> {
    this.#fatal ??= new Error('The cluster was closed.');
    this.#wake();
  }

  /** Deals a job, and what is missing of it again and again, until it is done. */
  async #complete<Result extends { readonly node: TreeNode }>(job: Job<Result>): Promise<Result[]> {
    try {
      for (;;) {
        if (this.#fatal !== undefined) throw this.#fatal;
        if (job.round.complete) return job.round.results();
        for (const seat of this.#seats) seat.giveUpSlow();
        this.#deal(job);
        await this.#change();
      }
    } finally {
      job.closed = true;
    }
  }

  #deal<Result extends { readonly node: TreeNode }>(job: Job<Result>): void {
    const idle = [...this.#seats].filter(({ attempt, sitsOut }) => attempt === undefined && sitsOut !== job);
    const missing = job.round.missing();
    if (idle.length === 0 || missing.length === 0) return;
    const speeds = speedsOf(idle, job.kind);
    const shares = job.isUntouched
      ? this.#portions.deal(job.round.units, speeds)
      : this.#dealer.deal(job.round.units, missing, speeds);
    for (const [i, seat] of idle.entries()) {
      const nodes = pieceOf(shares[i] ?? []);
      if (nodes.length > 0) void this.#give(seat, job, nodes);
    }
  }

  async #give<Result extends { readonly node: TreeNode }>(
    seat: Seat,
    job: Job<Result>,
    nodes: readonly TreeNode[],
  ): Promise<void> {
    const attempt = seat.begin(job, nodes);
    const { kind, t, weights } = job;
    const counts = this.shardCounts.get(seat.member.name);
    try {
      const result = await seat.member.work({ kind, t, weights, nodes });
      seat.end(attempt);
      // Room is short only after many failures; what finds none is dealt later.
      const wanted = job.accepts && (result.kind === 'evaluate' || result.partials.length <= this.#buffers.free);
      if (wanted) for (const each of this.#taken(result)) job.round.succeed(each.node, each as unknown as Result);
      if (kind === 'gradient' && counts !== undefined) counts[wanted ? 'done' : 'late'] += unitCount(nodes);
    } catch (error) {
      seat.end(attempt, error as Error);
      if (kind === 'gradient' && counts !== undefined) counts.lost += unitCount(nodes);
      if (!(error instanceof MemberGoneError)) this.#failed(seat, job, { nodes, cause: error as Error });
    }
    this.#wake();
  }

  #failed(
    seat: Seat,
    job: Job<unknown>,
    { nodes, cause }: { readonly nodes: readonly TreeNode[]; readonly cause: Error },
  ): void {
    seat.sitsOut = job;
    const unit = job.round.fail(nodes);
    if (cause instanceof WorkerError) this.#fatal = cause;
    else if (unit !== undefined) {
      const what = job.kind === 'gradient' ? `shard ${unit} of step ${job.t + 1}` : `chunk ${unit} of the test set`;
      this.#fatal = new WorkerError(`Members failed on ${what} again and again; the last cause: ${cause.message}`, {
        cause,
      });
    }
  }

  /** Results in memory that holds until the next step. */
  #taken(result: PieceResult): readonly (Partial | EvaluatedChunks)[] {
    if (result.kind === 'evaluate') return result.chunks;
    return result.partials.map((partial) => ('gradient' in partial ? partial : this.#buffers.copy(partial)));
  }

  /** Resolves when a member has finished, come or gone, or one becomes slow. */
  async #change(): Promise<void> {
    const now = performance.now();
    const slow = [...this.#seats].map(({ slowAt }) => slowAt - now);
    const lonely = this.#seats.size === 0;
    const allFailed = [...this.#seats].every(({ attempt }) => attempt === undefined);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, Math.min(allFailed && !lonely ? RETRY_MS : LONELY_MS, ...slow)));
      this.#wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      if (lonely) this.#options.onLonely();
    });
    if (allFailed) for (const seat of this.#seats) seat.sitsOut = undefined;
  }
}

/** As many consecutive nodes as one piece may have. What is left is dealt later; a calm deal leaves nothing. */
function pieceOf(nodes: readonly TreeNode[]): readonly TreeNode[] {
  const gap = nodes.findIndex(({ begin }, i) => i > 0 && begin !== nodes[i - 1]?.end);
  return nodes.slice(0, Math.min(MAXIMUM_NODES, gap < 0 ? MAXIMUM_NODES : gap));
}

/** Each one's units per second; what hasn't been measured is the average of a thread. */
function speedsOf(seats: readonly Seat[], kind: Piece['kind']): number[] {
  const known = seats.flatMap(({ member, speeds }) => {
    const speed = speeds[kind];
    return speed === undefined ? [] : [speed / Math.max(1, member.threads)];
  });
  const ofThread = known.length === 0 ? 1 : known.reduce((sum, speed) => sum + speed) / known.length;
  return seats.map(({ member, speeds }) => speeds[kind] ?? ofThread * Math.max(1, member.threads));
}
