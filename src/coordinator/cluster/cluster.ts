import { type EvaluatedChunks, joinChunks } from '../../shared/engine/evaluation.ts';
import {
  AbandonedError,
  type Evaluation,
  type Executor,
  type GradientPhases,
  type PartialGradient,
  type StepPhases,
  type StepResult,
  type StepUnderWay,
  type StepWork,
  type WeightsVersion,
} from '../../shared/engine/executor.ts';
import { addLosses } from '../../shared/engine/losses.ts';
import { type ShardRange, unitCount } from '../../shared/engine/tree.ts';
import { BlockUpdater, type Update, UpdateRecord } from '../../shared/engine/update.ts';
import type { KernelExports } from '../../shared/engine/wasm/exports.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import { AssignmentPlanner, type MemberAssignment } from './assignment.ts';
import type { Auditor, Delivered } from './auditor.ts';
import { GradientBuffers } from './buffers.ts';
import { Job } from './job.ts';
import { type AssignmentResult, type Member, MemberGoneError, type RemotePartial, type ShardCounts } from './member.ts';
import { type Attempt, MemberState } from './member-state.ts';

/** How long the cluster may be without members before it says so again. */
const NO_MEMBERS_MS = 10_000;
/** Before those who failed, all of them, are asked again. */
const RETRY_MS = 100;

export interface ClusterOptions {
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  /** An instance of the coordinator's own thread. */
  readonly kernel: KernelExports;
  readonly auditor: Auditor;
  readonly parameters: number;
  readonly shards: number;
  readonly testSamples: number;
  /** Test samples of one chunk. */
  readonly chunkSize: number;
  /** Told, now and then, that nobody is there to compute. */
  readonly onNoMembers: () => void;
  /** Aborted: what nobody is there to finish is abandoned. */
  readonly stop?: AbortSignal;
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
  readonly #planner = new AssignmentPlanner();
  readonly #states = new Set<MemberState>();
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
    options.stop?.addEventListener('abort', () => this.#wake());
  }

  /** Comparisons of what was computed twice. */
  get auditCounts(): Auditor['counts'] {
    return this.#options.auditor.counts;
  }

  /** From now on it is given work. */
  join(member: Member): void {
    this.#states.add(new MemberState(member));
    if (!this.shardCounts.has(member.name)) {
      this.shardCounts.set(member.name, {
        ...{ done: 0, late: 0, lost: 0, partials: 0 },
        assigned: { first: 0, retry: 0, duplicate: 0 },
      });
    }
    this.#wake();
  }

  /** It gets no more work; what it is at may still come. */
  leave(member: Member): void {
    for (const state of this.#states) {
      if (state.member !== member) continue;
      this.#states.delete(state);
      // Nobody watches any more whether it is slow.
      state.leave();
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
    const job = new Job<Delivered>('gradient', { t, weights: current, whole });
    let partials = await this.#complete(job);
    const computed = performance.now();
    this.#updater.reducing.take();
    const apply = (): void => {
      this.#record.write({ ...update, current, next, partials });
      this.#apply();
    };
    apply();
    if (!Number.isFinite(this.#record.squares() + addLosses(partials).lossSum)) {
      for (const right of this.#options.auditor.recheck(job, partials)) job.ledger.succeed(right.range, right);
      partials = job.ledger.results();
      apply();
    }
    const end = performance.now();
    const times = { seconds: (end - start) / 1000, phases: this.#phasesOf(job, computed - start, end - computed) };
    return { ...addLosses(partials), squares: this.#record.squares(), ...times };
  }

  /** @param gradient @param update milliseconds of each part of the step */
  #phasesOf({ seconds: spent }: Job<unknown>, gradient: number, update: number): StepPhases {
    const { dispatch, sample, compute, reduce } = spent;
    const inBlocks = this.#updater.reducing.take();
    return {
      ...{ dispatch, sample, compute, reduce: reduce + inBlocks },
      update: Math.max(0, update / 1000 - inBlocks),
      // On the way, and for the slowest.
      wait: Math.max(0, gradient / 1000 - dispatch - sample - compute - reduce),
    };
  }

  async update(update: Update): Promise<void> {
    this.#record.rewrite(update);
    this.#apply();
  }

  #apply(): void {
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
  async #complete<Result extends { readonly range: ShardRange }>(job: Job<Result>): Promise<Result[]> {
    try {
      for (;;) {
        if (this.#fatal !== undefined) throw this.#fatal;
        if (job.ledger.complete) return job.ledger.results();
        if (this.#options.stop?.aborted && this.#states.size === 0) throw new AbandonedError('Nobody is there.');
        for (const state of this.#states) state.giveUpSlow();
        const idle = [...this.#states].filter(({ attempt, failedJob }) => attempt === undefined && failedJob !== job);
        this.#dispatch(job, idle);
        await this.#change();
      }
    } finally {
      job.closed = true;
    }
  }

  #dispatch(job: Job<unknown>, idle: readonly MemberState[]): void {
    const start = performance.now();
    for (const assignment of this.#planner.plan(job, idle)) void this.#give(assignment, job);
    job.seconds.dispatch += (performance.now() - start) / 1000;
  }

  async #give<Result>({ state, ranges, isProbe }: MemberAssignment, job: Job<Result>): Promise<void> {
    const { kind, t, weights } = job;
    const counts = kind === 'gradient' ? this.shardCounts.get(state.member.name) : undefined;
    const attempt = state.begin(job, ranges, { isProbe, counts: counts?.assigned });
    const count = (outcome: 'done' | 'late' | 'lost'): void => {
      if (counts !== undefined) counts[outcome] += unitCount(ranges);
    };
    try {
      const result = await state.member.work({ kind, t, weights, ranges });
      state.end(attempt, { seconds: result.seconds });
      if (result.kind === 'gradient' && counts !== undefined) counts.partials += result.partials.length;
      const isOfUse = this.#accept(state.member, job, result);
      if (isOfUse && result.kind === 'gradient') job.took(result.phases ?? allComputing(attempt));
      count(isOfUse ? 'done' : 'late');
    } catch (error) {
      state.end(attempt, { failure: error as Error });
      count('lost');
      if (!(error instanceof MemberGoneError)) this.#failed(state, job, { ranges, cause: error as Error });
    }
    this.#wake();
  }

  #failed(
    state: MemberState,
    job: Job<unknown>,
    { ranges, cause }: { readonly ranges: readonly ShardRange[]; readonly cause: Error },
  ): void {
    state.failedJob = job;
    const unit = job.ledger.fail(ranges);
    if (cause instanceof WorkerError) this.#fatal = cause;
    // One that works on, or hasn't tried yet, may still do it: members that fail at all don't end a run by themselves.
    else if (unit !== undefined && [...this.#states].every(({ failedJob }) => failedJob === job)) {
      const what = job.kind === 'gradient' ? `shard ${unit} of step ${job.t + 1}` : `chunk ${unit} of the test set`;
      this.#fatal = new WorkerError(`Members failed on ${what} again and again; the last cause: ${cause.message}`, {
        cause,
      });
    }
  }

  /** @returns false where it comes too late */
  #accept(member: Member, job: Job<unknown>, result: AssignmentResult): boolean {
    if (!job.accepts) return false;
    if (result.kind === 'evaluate') {
      for (const chunks of result.chunks) job.ledger.succeed(chunks.range, chunks);
      return true;
    }
    return result.partials.map((partial) => this.#take(member, job as Job<Delivered>, partial)).includes(true);
  }

  /** Takes a partial in, or compares it with what is known already. @returns whether it was of any use */
  #take(member: Member, { t, weights, ledger }: Job<Delivered>, partial: PartialGradient | RemotePartial): boolean {
    const known = ledger.resultsOf(partial.range);
    if (known === undefined && ledger.isDone(partial.range)) return false;
    const isHere = 'gradient' in partial;
    // Room is short only after many failures; what finds none is dealt later.
    if (!isHere && !this.#buffers.hasRoom({ spare: known !== undefined })) return false;
    const delivered = { ...(isHere ? partial : this.#buffers.copy(partial)), member };
    const right = known && this.#options.auditor.compare({ t, weights }, known, delivered);
    for (const each of right ?? [delivered]) ledger.succeed(each.range, each);
    return true;
  }

  /** Resolves when a member has finished, come or gone, or one becomes slow. */
  async #change(): Promise<void> {
    const now = performance.now();
    const slow = [...this.#states].map(({ slowAt }) => slowAt - now);
    const isEmpty = this.#states.size === 0;
    const allFailed = [...this.#states].every(({ attempt }) => attempt === undefined);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(
        resolve,
        Math.max(1, Math.min(allFailed && !isEmpty ? RETRY_MS : NO_MEMBERS_MS, ...slow)),
      );
      this.#wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
      if (isEmpty) this.#options.onNoMembers();
    });
    if (allFailed) for (const state of this.#states) state.failedJob = undefined;
  }
}

/** Of a member that doesn't tell. */
function allComputing({ startedAt }: Attempt): GradientPhases {
  return { sample: 0, compute: (performance.now() - startedAt) / 1000, reduce: 0 };
}
