import { type ShardRange, unitCount } from '../../shared/engine/tree.ts';
import type { AttemptCounts, ShardLedger } from '../../shared/scheduler/ledger.ts';
import type { Cost } from '../../shared/scheduler/split-by-cost.ts';
import type { Assignment, Member } from './member.ts';

/** Weight of the newest measurement in a member's costs: whatever disturbs one makes it longer. */
const GAIN = { longer: 0.1, shorter: 0.4 };
/** Below what the clock tells apart. */
const LEAST_MS = 0.001;
/** A member is slow at so many times its expected time, and never before the minimum. */
const SLOW_FACTOR = 4;
const SLOW_MINIMUM_MS = 100;
/** Until its speed is known. */
const FIRST_MS = 2000;

/** Of a job, what a seat has to do with. */
interface Work {
  readonly kind: Assignment['kind'];
  readonly ledger: Pick<ShardLedger<unknown>, 'hold' | 'abandon' | 'giveUp'>;
  isUntouched: boolean;
}

/** A piece that a member is at. */
export interface Attempt {
  readonly job: Work;
  readonly ranges: readonly ShardRange[];
  readonly startedAt: number;
  /** Others may be given the same nodes. */
  givenUp: boolean;
}

interface AttemptEnd {
  readonly seconds?: number | undefined;
  readonly failure?: Error;
}

interface BeginOptions {
  readonly isProbe?: boolean;
  readonly counts?: AttemptCounts | undefined;
}

/** A member's place in the cluster: what it is at, and how fast it is. */
export class MemberState {
  readonly member: Member;
  /** In milliseconds, of a unit and of any units at all; undefined until measured. */
  readonly costs: Record<Assignment['kind'], Cost | undefined> = { gradient: undefined, evaluate: undefined };
  attempt: Attempt | undefined;
  #measuredAt = performance.now();
  /** Of gradients. */
  measurements = 0;
  /** What it failed at; others are asked first. */
  failedJob: Work | undefined;

  constructor(member: Member) {
    this.member = member;
  }

  /** @param isProbe nobody waits for it @param counts counts the units by why they were dealt */
  begin(job: Work, ranges: readonly ShardRange[], { isProbe = false, counts }: BeginOptions = {}): Attempt {
    job.isUntouched = false;
    if (!isProbe) job.ledger.hold(ranges, counts);
    else if (counts !== undefined) counts.duplicate += unitCount(ranges);
    const attempt = { job, ranges, startedAt: performance.now(), givenUp: isProbe };
    this.attempt = attempt;
    return attempt;
  }

  /** It has finished, after so many seconds of computing, or with `failure` never will. */
  end(attempt: Attempt, { seconds = Number.POSITIVE_INFINITY, failure }: AttemptEnd = {}): void {
    const { job, ranges, startedAt, givenUp } = attempt;
    this.attempt = undefined;
    if (!givenUp) job.ledger.abandon(ranges);
    if (failure !== undefined) return;
    this.#measuredAt = performance.now();
    if (job.kind === 'gradient') this.measurements++;
    const total = performance.now() - startedAt;
    const compute = Math.max(LEAST_MS, Math.min(total, 1000 * seconds));
    const measured = { shard: compute / unitCount(ranges), overhead: total - compute };
    const before = this.costs[job.kind] ?? measured;
    const moved = (key: keyof Cost): number => {
      const change = measured[key] - before[key];
      return before[key] + (change > 0 ? GAIN.longer : GAIN.shorter) * change;
    };
    this.costs[job.kind] = { shard: moved('shard'), overhead: moved('overhead') };
  }

  /** Since its speed was last measured. */
  get unmeasuredMs(): number {
    return performance.now() - this.#measuredAt;
  }

  /** When its attempt becomes slow; infinite where it has none, or that is given up. */
  get slowAt(): number {
    const { attempt } = this;
    if (attempt === undefined || attempt.givenUp) return Number.POSITIVE_INFINITY;
    const cost = this.costs[attempt.job.kind];
    const expected = cost === undefined ? FIRST_MS : cost.overhead + cost.shard * unitCount(attempt.ranges);
    return attempt.startedAt + Math.max(SLOW_MINIMUM_MS, SLOW_FACTOR * expected);
  }

  /** Lets others have what it is slow at. */
  giveUpSlow(): void {
    if (performance.now() >= this.slowAt) this.#giveUp('giveUp');
  }

  /** Lets others have what it is at: it goes. */
  leave(): void {
    this.#giveUp('abandon');
  }

  #giveUp(how: 'giveUp' | 'abandon'): void {
    const { attempt } = this;
    if (attempt === undefined || attempt.givenUp) return;
    attempt.givenUp = true;
    attempt.job.ledger[how](attempt.ranges);
  }
}
