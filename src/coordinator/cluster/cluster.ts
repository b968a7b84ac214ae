import { addAbortListener } from 'node:events';
import {
  type EvaluatedChunks,
  EvaluationChunks,
  type EvaluationSizes,
  joinChunks,
} from '../../shared/engine/evaluation.ts';
import {
  AbandonedError,
  type Evaluation,
  type Executor,
  type GradientPhases,
  type PartialGradient,
  type RoundResult,
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
import type { Layout, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { Job } from '../../shared/scheduler/job.ts';
import { Watchdog } from '../../shared/scheduler/watchdog.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import { AssignmentPlanner, type MemberAssignment } from './assignment.ts';
import type { Auditor, Delivered } from './auditor.ts';
import { GradientBuffers } from './buffers.ts';
import { ChangeSignal } from './change-signal.ts';
import { type AssignmentResult, type Member, MemberGoneError, type RemotePartial, type ShardCounts } from './member.ts';
import { MemberState } from './member-state.ts';

/** Milliseconds that the cluster may be without members before it says so again. */
const NO_MEMBERS_MS = 10_000;
/** Milliseconds before members that have failed are asked again, if nobody else is at work. */
const RETRY_MS = 100;

export interface ClusterOptions {
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  /** An instance for the coordinator's own thread. */
  readonly kernel: KernelExports;
  readonly auditor: Auditor;
  readonly layout: ModelLayout;
  readonly shards: number;
  readonly evaluated: EvaluationSizes;
  /** Called now and then as long as nobody is there to compute. */
  readonly onNoMembers: () => void;
  /** Aborted: what nobody is there to finish is abandoned. */
  readonly stop?: AbortSignal;
}

/**
 * Members that may come and go at any moment, as one executor: each step's tree is split over those who are there, by their
 * measured speeds; what a member fails at, or is slow at, goes to others. Reduces and updates in the coordinator's own thread.
 */
export class Cluster implements Executor {
  /** The next step needs the weights that the one before it makes. */
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
  readonly #changed = new ChangeSignal();
  /** Measures time; whoever waits has timers of its own. */
  readonly #watchdog = new Watchdog(() => {});
  readonly #stopping: Disposable | undefined;
  #fatal: Error | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { buffers, record, scratch } = Cluster.allocate(options.memory, options);
    this.#buffers = buffers;
    this.#record = record;
    this.#updater = new BlockUpdater(options.kernel, record.plan, scratch);
    if (options.stop !== undefined) this.#stopping = addAbortListener(options.stop, () => this.#changed.signal());
  }

  static allocate(memory: Layout, { layout, shards }: Pick<ClusterOptions, 'layout' | 'shards'>) {
    return {
      buffers: new GradientBuffers(memory, layout.parameters, shards),
      record: UpdateRecord.allocate(memory, layout, shards),
      scratch: BlockUpdater.scratch(memory, shards),
    };
  }

  /** Comparisons of what was computed twice. */
  get auditCounts(): Auditor['counts'] {
    return this.#options.auditor.counts;
  }

  /** From now on the member is given work. */
  join(member: Member): void {
    this.#states.add(new MemberState(member, this.#watchdog));
    if (!this.shardCounts.has(member.name)) {
      const assigned = { first: 0, retry: 0, duplicate: 0 };
      this.shardCounts.set(member.name, { assigned, done: 0, late: 0, lost: 0, partials: 0 });
    }
    this.#changed.signal();
  }

  /** The member gets no more work; what it is at may still come. */
  leave(member: Member): void {
    for (const state of this.#states) {
      if (state.member !== member) continue;
      this.#states.delete(state);
      // Nobody watches any more whether it is slow.
      state.leave();
    }
    this.#changed.signal();
  }

  /** Resolves once somebody is there to compute, or the run is stopped. */
  async ready(): Promise<void> {
    while (this.#states.size === 0 && this.#fatal === undefined && !this.#options.stop?.aborted) {
      await this.#change(this.#changed.read);
    }
  }

  begin(work: StepWork): StepUnderWay {
    return { finish: () => this.#step(work) };
  }

  async #step({ t, current, next, update }: StepWork): Promise<StepResult> {
    this.#ages.set(current, t).set(next, t + 1);
    const start = performance.now();
    this.#buffers.reclaim();
    const units = this.#options.shards;
    const job = new Job<Delivered>({
      kind: 'gradient',
      t,
      weights: current,
      units,
      ranges: [{ begin: 0, end: units }],
    });
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
    const phases = this.#phasesOf(job, computed - start, end - computed);
    return { ...addLosses(partials), squares: this.#record.squares(), seconds: (end - start) / 1000, phases };
  }

  /** @param gradientMs @param updateMs milliseconds of each part of the step */
  #phasesOf({ seconds }: Job<unknown>, gradientMs: number, updateMs: number): StepPhases {
    const { dispatch, sample, compute, reduce } = seconds;
    const inBlocks = this.#updater.reducing.take();
    return {
      dispatch,
      sample,
      compute,
      reduce: reduce + inBlocks,
      update: Math.max(0, updateMs / 1000 - inBlocks),
      // Spent on the way, and waiting for the slowest.
      wait: Math.max(0, gradientMs / 1000 - dispatch - sample - compute - reduce),
    };
  }

  async round(): Promise<RoundResult> {
    throw new Error('not yet');
  }

  async update(update: Update): Promise<void> {
    this.#record.rewrite(update);
    this.#apply();
  }

  #apply(): void {
    this.#updater.apply({ begin: 0, end: this.#record.blocks });
  }

  async evaluate(weights: WeightsVersion): Promise<Evaluation> {
    const chunks = new EvaluationChunks(this.#options.evaluated);
    const t = this.#ages.get(weights) ?? 0;
    const units = chunks.count;
    const job = new Job<EvaluatedChunks>({ kind: 'evaluate', t, weights, units, ranges: [{ begin: 0, end: units }] });
    return joinChunks(await this.#complete(job), chunks);
  }

  async close(): Promise<void> {
    this.#fatal ??= new Error('The cluster was closed.');
    this.#watchdog.close();
    this.#stopping?.[Symbol.dispose]();
    this.#changed.signal();
  }

  /** Assigns a job, and what is missing of it again and again, until it is done. */
  async #complete<Result extends { readonly range: ShardRange }>(job: Job<Result>): Promise<Result[]> {
    try {
      for (;;) {
        const { read } = this.#changed;
        if (this.#fatal !== undefined) throw this.#fatal;
        if (job.ledger.complete) return job.ledger.results();
        if (this.#options.stop?.aborted && this.#states.size === 0) throw new AbandonedError('Nobody is there.');
        for (const state of this.#states) state.giveUpSlow();
        const free = [...this.#states].filter(({ isFree, failedJob }) => isFree && failedJob !== job);
        job.dispatch(() => {
          for (const assignment of this.#planner.plan(job, free)) void this.#give(assignment, job);
        });
        await this.#change(read);
      }
    } finally {
      job.closed = true;
    }
  }

  async #give<Result>({ state, ranges, isProbe }: MemberAssignment, job: Job<Result>): Promise<void> {
    const { kind, t, weights } = job;
    const { member } = state;
    const counts = kind === 'gradient' ? this.shardCounts.get(member.name) : undefined;
    state.begin(job, ranges, { isProbe, counts: counts?.assigned });
    const count = (outcome: 'done' | 'late' | 'lost'): void => {
      if (counts !== undefined) counts[outcome] += unitCount(ranges);
    };
    try {
      const result = await member.work({ kind, t, weights, ranges });
      const totalMs = state.succeed(result.seconds);
      if (result.kind === 'gradient' && counts !== undefined) counts.partials += result.partials.length;
      const isOfUse = this.#accept(member, job, result);
      if (isOfUse && result.kind === 'gradient') job.took(result.phases ?? allComputing(totalMs));
      count(isOfUse ? 'done' : 'late');
    } catch (error) {
      state.fail();
      count('lost');
      // It would be gone the next time as well.
      if (error instanceof MemberGoneError) this.#states.delete(state);
      // This process' own threads gave up. What others fail at is no reason to end a run.
      else if (error instanceof WorkerError) this.#fatal = error;
      else {
        state.failedJob = job;
        job.ledger.fail(ranges);
      }
    }
    this.#changed.signal();
  }

  /** @returns false if it comes too late */
  #accept(member: Member, job: Job<unknown>, result: AssignmentResult): boolean {
    if (!job.accepts) return false;
    if (result.kind === 'evaluate') {
      for (const chunks of result.chunks) job.ledger.succeed(chunks.range, chunks);
      return true;
    }
    return result.partials.map((partial) => this.#take(member, job as Job<Delivered>, partial)).includes(true);
  }

  /** Takes a partial gradient in, or compares it with what is known already. @returns whether it was of any use */
  #take(member: Member, { t, weights, ledger }: Job<Delivered>, partial: PartialGradient | RemotePartial): boolean {
    const known = ledger.resultsOf(partial.range);
    if (known === undefined && ledger.isDone(partial.range)) return false;
    const isHere = 'gradient' in partial;
    // Room is short only after many failures; what finds none is assigned later.
    if (!isHere && !this.#buffers.hasRoom({ spare: known !== undefined })) return false;
    const delivered = { ...(isHere ? partial : this.#buffers.copy(partial)), member };
    const right = known && this.#options.auditor.compare({ t, weights }, known, delivered);
    for (const each of right ?? [delivered]) ledger.succeed(each.range, each);
    return true;
  }

  /** Resolves when a member has finished, come or gone since `read`, or one becomes slow. */
  async #change(read: number): Promise<void> {
    if (this.#changed.read !== read) return;
    const states = [...this.#states];
    const isNobodyAtWork = states.every(({ isAwaited }) => !isAwaited);
    const longestMs = isNobodyAtWork && states.length > 0 ? RETRY_MS : NO_MEMBERS_MS;
    const waiting = this.#changed.wait(read, Math.min(longestMs, ...states.map(({ slowInMs }) => slowInMs)));
    if (states.length === 0) this.#options.onNoMembers();
    await waiting;
    if (isNobodyAtWork) for (const state of this.#states) state.failedJob = undefined;
  }
}

/** The phases of a member that doesn't tell them. */
function allComputing(totalMs: number): GradientPhases {
  return { sample: 0, compute: totalMs / 1000, reduce: 0 };
}
