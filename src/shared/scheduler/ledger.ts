import { type ShardRange, splitOf } from '../engine/tree.ts';

/** Tries of one unit before the round is given up. */
const MAX_ATTEMPTS = 5;

/** Why a unit is dealt: nobody had it; somebody failed at it or was lost with it; somebody slow is still at it. */
export type AttemptReason = 'first' | 'retry' | 'duplicate';
export type AttemptCounts = Record<AttemptReason, number>;

interface Unit {
  done: boolean;
  /** Attempts under way. */
  held: number;
  failures: number;
  /** Of the next time that it is dealt. */
  reason: AttemptReason;
}

/**
 * What is done, under way and missing of one step's nodes (or of an evaluation's chunks). A unit may be computed twice;
 * attempts that settle after the round was closed never reach it.
 */
export class ShardLedger<Result> {
  readonly units: number;
  readonly #wanted: readonly ShardRange[];
  readonly #results = new Map<number, Result>();
  readonly #states: readonly Unit[];
  #left = 0;

  /** @param units of the whole tree @param wanted disjoint nodes of it */
  constructor(units: number, wanted: readonly ShardRange[]) {
    this.units = units;
    this.#wanted = wanted;
    this.#states = Array.from({ length: units }, () => ({ done: true, held: 0, failures: 0, reason: 'first' }) as Unit);
    this.#each(wanted, (unit) => {
      unit.done = false;
      this.#left++;
    });
  }

  /** An attempt at these nodes has begun. @param counts counts the units by why they were dealt */
  hold(ranges: readonly ShardRange[], counts?: AttemptCounts): void {
    this.#each(ranges, (unit) => {
      unit.held++;
      if (counts !== undefined) counts[unit.reason]++;
      unit.reason = 'retry';
    });
  }

  /** Nobody waits for this attempt any more; it may still succeed. */
  abandon(ranges: readonly ShardRange[]): void {
    this.#each(ranges, (unit) => {
      unit.held--;
    });
  }

  /** As `abandon`, of an attempt that is slow and goes on. */
  giveUp(ranges: readonly ShardRange[]): void {
    this.abandon(ranges);
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
    let retriesExhausted: number | undefined;
    this.#each(ranges, (unit, index) => {
      unit.reason = 'retry';
      if (++unit.failures >= MAX_ATTEMPTS) retriesExhausted ??= index;
    });
    return retriesExhausted;
  }

  /** What is neither done nor under way, as ranges of units; none reaches from one wanted node into the next. */
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

  /** Whether all of it is there, in whatever nodes. */
  isDone({ begin, end }: ShardRange): boolean {
    return this.#states.slice(begin, end).every(({ done }) => done);
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** Disjoint results that make up the wanted nodes, ascending. Only of a complete round. */
  results(): Result[] {
    return this.#wanted.flatMap((range) => this.resultsOf(range) ?? []);
  }

  /** Disjoint results that make up a node, ascending; undefined where some are missing. */
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
