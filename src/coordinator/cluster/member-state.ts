import type { ShardRange } from '../../shared/engine/tree.ts';
import { Attempt } from '../../shared/scheduler/attempt.ts';
import type { Job } from '../../shared/scheduler/job.ts';
import type { AttemptCounts } from '../../shared/scheduler/ledger.ts';
import { CLUSTER_POLICY } from '../../shared/scheduler/policy.ts';
import { SpeedEstimate } from '../../shared/scheduler/speed.ts';
import type { Watchdog } from '../../shared/scheduler/watchdog.ts';
import type { Assignment, Member } from './member.ts';

export interface BeginOptions {
  /** Others are given the same ranges: nobody waits for this member. */
  readonly isProbe: boolean;
  /** Counts the units by why they were assigned. */
  readonly counts: AttemptCounts | undefined;
}

/** What the cluster knows of a member: what it is at, how fast it is, and what it failed at. */
export class MemberState {
  readonly member: Member;
  readonly speeds: Readonly<Record<Assignment['kind'], SpeedEstimate>> = {
    gradient: new SpeedEstimate(),
    replica: new SpeedEstimate(),
    evaluate: new SpeedEstimate(),
  };
  /** What it failed at; others are asked first. */
  failedJob: Job<unknown> | undefined;
  /** Another member was given what it is at. */
  isRepeated = false;
  readonly #watchdog: Watchdog;
  #work: { readonly attempt: Attempt; readonly job: Job<unknown> } | undefined;
  #measuredAt: number;

  constructor(member: Member, watchdog: Watchdog) {
    this.member = member;
    this.#watchdog = watchdog;
    this.#measuredAt = watchdog.now();
  }

  /** It is the threads of this process. */
  get isLocal(): boolean {
    return this.member.isLocal === true;
  }

  /** It has nothing to do. */
  get isFree(): boolean {
    return this.#work === undefined;
  }

  /** It is at something that is waited for. */
  get isAwaited(): boolean {
    return this.#work?.attempt.isGivenUp === false;
  }

  /** Milliseconds since its speed was last measured. */
  get unmeasuredMs(): number {
    return this.#watchdog.now() - this.#measuredAt;
  }

  /** Whether it is at a part of a job that nobody else is at. */
  isAtFirst(job: Job<unknown>): boolean {
    return this.#work?.job === job && this.isAwaited && !this.isRepeated;
  }

  /** The ranges that it is at. */
  get ranges(): readonly ShardRange[] {
    return this.#work?.attempt.ranges ?? [];
  }

  get units(): number {
    return this.#work?.attempt.units ?? 0;
  }

  /** Milliseconds until it has probably finished; as long again if that is overdue. */
  get leftMs(): number {
    if (this.#work === undefined) return 0;
    const { attempt, job } = this.#work;
    const expectedMs = this.speeds[job.kind].expectedMs(attempt.units) ?? Number.POSITIVE_INFINITY;
    const elapsedMs = this.#watchdog.now() - attempt.startedAt;
    return elapsedMs < expectedMs ? expectedMs - elapsedMs : expectedMs;
  }

  /** Milliseconds until its attempt is slow; infinite if nobody waits for it. */
  get slowInMs(): number {
    if (this.#work === undefined || !this.isAwaited) return Number.POSITIVE_INFINITY;
    const { attempt, job } = this.#work;
    return attempt.startedAt + attempt.limitMs(this.speeds[job.kind], CLUSTER_POLICY, job.steps) - this.#watchdog.now();
  }

  begin(job: Job<unknown>, ranges: readonly ShardRange[], { isProbe, counts }: BeginOptions): void {
    const attempt = new Attempt({ ledger: job.ledger, ranges, now: this.#watchdog.now(), isProbe, counts });
    this.#work = { attempt, job };
    this.isRepeated = false;
  }

  /** Its attempt has failed, and nothing of it will come. @returns the milliseconds that it took */
  fail(): number {
    const work = this.#work;
    this.#work = undefined;
    if (work === undefined) return 0;
    work.attempt.release();
    return this.#watchdog.now() - work.attempt.startedAt;
  }

  /**
   * Its attempt has succeeded.
   * @param seconds time that it spent on computing alone, if it tells
   * @returns the milliseconds that it took
   */
  succeed(seconds = Number.POSITIVE_INFINITY): number {
    const work = this.#work;
    const totalMs = this.fail();
    if (work === undefined) return totalMs;
    this.#measuredAt = this.#watchdog.now();
    this.speeds[work.job.kind].measure(work.attempt.units, Math.min(totalMs, 1000 * seconds), totalMs);
    return totalMs;
  }

  /** Lets others have what it is slow at. */
  giveUpSlow(): void {
    if (this.slowInMs <= 0) this.#work?.attempt.giveUp();
  }

  /** Lets others have what it is at, because it goes. */
  leave(): void {
    this.#work?.attempt.release();
  }
}
