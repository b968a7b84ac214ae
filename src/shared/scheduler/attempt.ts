import { type ShardRange, unitCount } from '../engine/tree.ts';
import type { AttemptCounts, ShardLedger } from './ledger.ts';
import { type RetryPolicy, UNMEASURED_LIMIT_MS } from './policy.ts';
import type { SpeedEstimate } from './speed.ts';

export interface AttemptOptions {
  readonly ledger: Pick<ShardLedger<unknown>, 'hold' | 'release' | 'giveUp' | 'shardsPerUnit'>;
  readonly ranges: readonly ShardRange[];
  /** The watchdog's time. */
  readonly now: number;
  /** Counts the shards by why they were assigned. */
  readonly counts?: AttemptCounts | undefined;
  /** Others are given the same ranges: nobody waits for this attempt. */
  readonly isProbe?: boolean;
}

/** One try at ranges of a job by one worker or member. It holds them in the job's ledger until it ends or is given up. */
export class Attempt {
  readonly ranges: readonly ShardRange[];
  readonly units: number;
  /** When its work began, by the watchdog's time. */
  startedAt: number;
  readonly #ledger: AttemptOptions['ledger'];
  #holds: boolean;

  constructor({ ledger, ranges, now, counts, isProbe = false }: AttemptOptions) {
    this.ranges = ranges;
    this.units = unitCount(ranges);
    this.startedAt = now;
    this.#ledger = ledger;
    this.#holds = !isProbe;
    if (!isProbe) ledger.hold(ranges, counts);
    else if (counts !== undefined) counts.duplicate += this.units * ledger.shardsPerUnit;
  }

  /** Whether others may be given its ranges. */
  get isGivenUp(): boolean {
    return !this.#holds;
  }

  /** Lets others have its ranges, because it is slow. It may still succeed. */
  giveUp(): void {
    if (this.#holds) this.#ledger.giveUp(this.ranges);
    this.#holds = false;
  }

  /** It has ended, or never begins: others may have what it didn't do. */
  release(): void {
    if (this.#holds) this.#ledger.release(this.ranges);
    this.#holds = false;
  }

  /** Milliseconds from its start after which it is slow. @param steps local steps of its units */
  limitMs(estimate: SpeedEstimate | undefined, { slowFactor, slowMinimumMs }: RetryPolicy, steps = 1): number {
    const expectedMs = this.units === 0 ? 0 : estimate?.expectedMs(this.units);
    return expectedMs === undefined ? steps * UNMEASURED_LIMIT_MS : Math.max(slowMinimumMs, slowFactor * expectedMs);
  }
}
