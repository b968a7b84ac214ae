import { type ShardRange, splitOf } from '../engine/tree.ts';
import { MAX_ATTEMPTS } from './policy.ts';

/** Why a unit is assigned: nobody had it; somebody failed at it or was lost with it; somebody slow is still at it. */
export type AttemptReason = 'first' | 'retry' | 'duplicate';
export type AttemptCounts = Record<AttemptReason, number>;

interface Unit {
  done: boolean;
  /** Attempts under way. */
  held: number;
  failures: number;
  /** Why it is assigned the next time. */
  reason: AttemptReason;
}

/**
 * What is done, under way and missing of a job's units: the shards of a step, the replicas of a round or the chunks of an evaluation. A
 * unit may be computed twice.
 */
export class ShardLedger<Result> {
  readonly units: number;
  readonly shardsPerUnit: number;
  readonly #wanted: readonly ShardRange[];
  readonly #results = new Map<number, Result>();
  readonly #states: readonly Unit[];
  #left = 0;
  #isUntouched = true;

  /** @param units the whole tree's @param wanted disjoint ranges of the tree @param shardsPerUnit for counts, in all steps of a replica */
  constructor(units: number, wanted: readonly ShardRange[], shardsPerUnit = 1) {
    this.units = units;
    this.shardsPerUnit = shardsPerUnit;
    this.#wanted = wanted;
    this.#states = Array.from({ length: units }, () => ({ done: true, held: 0, failures: 0, reason: 'first' }) as Unit);
    this.#each(wanted, (unit) => {
      unit.done = false;
      this.#left++;
    });
  }

  /** An attempt at these ranges begins. @param counts counts the shards by why they were assigned */
  hold(ranges: readonly ShardRange[], counts?: AttemptCounts): void {
    this.#isUntouched = false;
    this.#each(ranges, (unit) => {
      unit.held++;
      if (counts !== undefined) counts[unit.reason] += this.shardsPerUnit;
      unit.reason = 'retry';
    });
  }

  /** Nobody waits for this attempt any more. */
  release(ranges: readonly ShardRange[]): void {
    this.#each(ranges, (unit) => {
      unit.held--;
    });
  }

  /** As `release`, for an attempt that is slow and may still succeed. */
  giveUp(ranges: readonly ShardRange[]): void {
    this.release(ranges);
    this.#each(ranges, (unit) => {
      unit.reason = 'duplicate';
    });
  }

  succeed(range: ShardRange, result: Result): void {
    this.#results.set(this.#key(range), result);
    this.#each([range], (unit) => {
      if (!unit.done) this.#left--;
      unit.done = true;
    });
  }

  /** @returns a unit that failed too often to be tried again, if there is one */
  fail(ranges: readonly ShardRange[]): number | undefined {
    let exhausted: number | undefined;
    this.#each(ranges, (unit, index) => {
      unit.reason = 'retry';
      if (++unit.failures >= MAX_ATTEMPTS) exhausted ??= index;
    });
    return exhausted;
  }

  /** What is neither done nor under way, as ranges of units; none reaches from one wanted range into the next. */
  missing(): ShardRange[] {
    return this.#wanted.flatMap((range) => this.#missingOf(range));
  }

  #missingOf({ begin, end }: ShardRange): ShardRange[] {
    const isMissing = (index: number): boolean => {
      const unit = this.#states[index] as Unit;
      return !unit.done && unit.held === 0;
    };
    const ranges: ShardRange[] = [];
    for (let unit = begin; unit < end; unit++) {
      if (!isMissing(unit)) continue;
      const first = unit;
      while (unit < end && isMissing(unit)) unit++;
      ranges.push({ begin: first, end: unit });
    }
    return ranges;
  }

  /** Whether all of it is there, in whatever ranges. */
  isDone({ begin, end }: ShardRange): boolean {
    return this.#states.slice(begin, end).every(({ done }) => done);
  }

  /** No attempt has begun. */
  get isUntouched(): boolean {
    return this.#isUntouched;
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** Disjoint results that make up the wanted ranges, ascending. To be called only if the ledger is complete. */
  results(): Result[] {
    return this.#wanted.flatMap((range) => this.resultsOf(range) ?? []);
  }

  /** Disjoint results that make up a range, ascending; undefined if some are missing. */
  resultsOf(range: ShardRange): Result[] | undefined {
    const result = this.#results.get(this.#key(range));
    if (result !== undefined) return [result];
    if (range.end - range.begin === 1) return undefined;
    const split = splitOf(range);
    const left = this.resultsOf({ begin: range.begin, end: split });
    const right = left && this.resultsOf({ begin: split, end: range.end });
    return right && left?.concat(right);
  }

  #each(ranges: readonly ShardRange[], visit: (unit: Unit, index: number) => void): void {
    for (const { begin, end } of ranges) {
      for (let index = begin; index < end; index++) visit(this.#states[index] as Unit, index);
    }
  }

  #key({ begin, end }: ShardRange): number {
    return begin * (this.units + 1) + end;
  }
}
