import { type TreeNode, unitCount } from '../../shared/tree.ts';
import type { Member, Piece } from './member.ts';

/** Weight of the newest measurement in a member's speed. */
const SPEED_GAIN = 0.2;
/** A member is slow at so many times its expected time, and never before the minimum. */
const SLOW_FACTOR = 4;
const SLOW_MINIMUM_MS = 100;
/** Until its speed is known. */
const FIRST_MS = 2000;

/** Of a job, what a seat has to do with. */
interface Work {
  readonly kind: Piece['kind'];
  readonly round: { hold(nodes: readonly TreeNode[]): void; abandon(nodes: readonly TreeNode[]): void };
  isUntouched: boolean;
}

/** A piece that a member is at. */
export interface Attempt {
  readonly job: Work;
  readonly nodes: readonly TreeNode[];
  readonly startedAt: number;
  /** Others may be given the same nodes. */
  givenUp: boolean;
}

/** A member's place in the cluster: what it is at, and how fast it is. */
export class Seat {
  readonly member: Member;
  /** Units per second; undefined until measured. */
  readonly speeds: { gradient: number | undefined; evaluate: number | undefined } = {
    gradient: undefined,
    evaluate: undefined,
  };
  attempt: Attempt | undefined;
  #measuredAt = performance.now();
  /** What it failed at; others are asked first. */
  sitsOut: Work | undefined;

  constructor(member: Member) {
    this.member = member;
  }

  /** @param isProbe nobody waits for it */
  begin(job: Work, nodes: readonly TreeNode[], isProbe = false): Attempt {
    job.isUntouched = false;
    if (!isProbe) job.round.hold(nodes);
    const attempt = { job, nodes, startedAt: performance.now(), givenUp: isProbe };
    this.attempt = attempt;
    return attempt;
  }

  /** It has finished, or with `failure` never will. */
  end(attempt: Attempt, failure?: Error): void {
    const { job, nodes, startedAt, givenUp } = attempt;
    this.attempt = undefined;
    if (!givenUp) job.round.abandon(nodes);
    if (failure !== undefined) return;
    this.#measuredAt = performance.now();
    const speed = (1000 * unitCount(nodes)) / Math.max(0.01, performance.now() - startedAt);
    const before = this.speeds[job.kind] ?? speed;
    this.speeds[job.kind] = before + SPEED_GAIN * (speed - before);
  }

  /** Since its speed was last measured. */
  get unmeasuredMs(): number {
    return performance.now() - this.#measuredAt;
  }

  /** When its attempt becomes slow; infinite where it has none, or that is given up. */
  get slowAt(): number {
    const { attempt } = this;
    if (attempt === undefined || attempt.givenUp) return Number.POSITIVE_INFINITY;
    const speed = this.speeds[attempt.job.kind];
    const expected = speed === undefined ? FIRST_MS : (1000 * unitCount(attempt.nodes)) / speed;
    return attempt.startedAt + Math.max(SLOW_MINIMUM_MS, SLOW_FACTOR * expected);
  }

  /** Lets others have what it is slow at. */
  giveUpSlow(): void {
    if (performance.now() >= this.slowAt) this.giveUp();
  }

  /** Lets others have what it is at. */
  giveUp(): void {
    const { attempt } = this;
    if (attempt === undefined || attempt.givenUp) return;
    attempt.givenUp = true;
    attempt.job.round.abandon(attempt.nodes);
  }
}
