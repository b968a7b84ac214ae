import { addAbortListener } from 'node:events';
import { AbandonedError, type GradientPhases } from '../../shared/engine/executor.ts';
import { type ShardRange, unitCount } from '../../shared/engine/tree.ts';
import type { Job } from '../../shared/scheduler/job.ts';
import { Watchdog } from '../../shared/scheduler/watchdog.ts';
import { WorkerError } from '../../shared/util/errors.ts';
import { AssignmentPlanner, type MemberAssignment } from './assignment.ts';
import { ChangeSignal } from './change-signal.ts';
import { type AssignmentResult, type Member, MemberGoneError, type ShardCounts } from './member.ts';
import { MemberState } from './member-state.ts';
import { forecastRound, type RoundForecast } from './round-forecast.ts';

/** Milliseconds that the cluster may be without members before it says so again: twice as many each time. */
const NO_MEMBERS_MS = { first: 10_000, max: 600_000 };
/** Milliseconds before members that have failed are asked again, if nobody else is at work. */
const RETRY_MS = 100;

export interface MembersOptions {
  /** Called now and then as long as nobody is there to compute. */
  readonly onNoMembers: () => void;
  /** Called with what rounds take, once for each number of nodes, as soon as the speed of all members is known. */
  readonly onForecast?: ((forecast: RoundForecast) => void) | undefined;
  /** Aborted: what nobody is there to finish is abandoned. */
  readonly stop?: AbortSignal | undefined;
}

/** Takes in what a member delivered, unless it comes too late. @returns whether it was of any use */
type Accept = (member: Member, job: Job<unknown>, result: AssignmentResult) => boolean;

/** Members that may come and go at any moment, and the jobs that are split over those who are there. */
export class Members {
  /** What became of the shards that each member was given, by its name. */
  readonly shardCounts = new Map<string, ShardCounts>();
  readonly #options: MembersOptions;
  readonly #accept: Accept;
  readonly #planner = new AssignmentPlanner();
  readonly #states = new Set<MemberState>();
  readonly #changed = new ChangeSignal();
  /** Measures time; whoever waits has timers of its own. */
  readonly #watchdog = new Watchdog(() => {});
  readonly #stopping: Disposable | undefined;
  #fatal: Error | undefined;
  #noMembersMs = NO_MEMBERS_MS.first;
  /** Numbers of nodes that a forecast was made for. */
  readonly #forecasts = new Set<number>();

  constructor(options: MembersOptions, accept: Accept) {
    this.#options = options;
    this.#accept = accept;
    if (options.stop !== undefined) this.#stopping = addAbortListener(options.stop, () => this.#changed.signal());
  }

  /** From now on the member is given work. */
  join(member: Member): void {
    this.#states.add(new MemberState(member, this.#watchdog));
    this.#noMembersMs = NO_MEMBERS_MS.first;
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

  /** Assigns a job, and what is missing of it again and again, until it is done. */
  async complete<Result extends { readonly range: ShardRange }>(job: Job<Result>): Promise<Result[]> {
    try {
      for (;;) {
        const { read } = this.#changed;
        if (this.#fatal !== undefined) throw this.#fatal;
        if (job.ledger.complete) {
          if (job.kind === 'replica') this.#forecast(job.ledger.units);
          return job.ledger.results();
        }
        if (this.#options.stop?.aborted && this.#states.size === 0) throw new AbandonedError('Nobody is there.');
        for (const state of this.#states) state.giveUpSlow();
        const states = [...this.#states].filter(({ failedJob }) => failedJob !== job);
        job.dispatch(() => {
          for (const assignment of this.#planner.plan(job, states)) void this.#give(assignment, job);
        });
        await this.#change(read);
      }
    } finally {
      job.closed = true;
    }
  }

  async #give<Result>({ state, ranges, isProbe }: MemberAssignment, job: Job<Result>): Promise<void> {
    const { kind, t, steps, weights } = job;
    const { member } = state;
    const counts = kind === 'evaluate' ? undefined : this.shardCounts.get(member.name);
    state.begin(job, ranges, { isProbe, counts: counts?.assigned });
    const count = (outcome: 'done' | 'late' | 'lost'): void => {
      if (counts !== undefined) counts[outcome] += unitCount(ranges) * job.ledger.shardsPerUnit;
    };
    try {
      const result = await member.work({ kind, t, steps, weights, ranges });
      const totalMs = state.succeed(result.seconds);
      if (result.kind !== 'evaluate' && counts !== undefined) counts.partials += result.partials.length;
      const isOfUse = job.accepts && this.#accept(member, job, result);
      if (isOfUse && result.kind !== 'evaluate') job.took(result.phases ?? allComputing(totalMs));
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

  #forecast(replicas: number): void {
    const nodes = [...this.#states].filter(({ isLocal }) => !isLocal).length;
    if (nodes === 0 || this.#forecasts.has(nodes)) return;
    const forecast = forecastRound(replicas, [...this.#states]);
    if (forecast === undefined) return;
    this.#forecasts.add(nodes);
    this.#options.onForecast?.(forecast);
  }

  close(): void {
    this.#fatal ??= new Error('The cluster was closed.');
    this.#watchdog.close();
    this.#stopping?.[Symbol.dispose]();
    this.#changed.signal();
  }

  /** Resolves when a member has finished, come or gone since `read`, or one becomes slow. */
  async #change(read: number): Promise<void> {
    if (this.#changed.read !== read) return;
    const states = [...this.#states];
    const isNobodyAtWork = states.every(({ isAwaited }) => !isAwaited);
    const longestMs = isNobodyAtWork && states.length > 0 ? RETRY_MS : this.#noMembersMs;
    const waiting = this.#changed.wait(read, Math.min(longestMs, ...states.map(({ slowInMs }) => slowInMs)));
    if (states.length === 0) {
      this.#options.onNoMembers();
      this.#noMembersMs = Math.min(2 * this.#noMembersMs, NO_MEMBERS_MS.max);
    }
    await waiting;
    if (isNobodyAtWork) for (const state of this.#states) state.failedJob = undefined;
  }
}

/** The phases of a member that doesn't tell them. */
function allComputing(totalMs: number): GradientPhases {
  return { sample: 0, compute: totalMs / 1000, reduce: 0 };
}
