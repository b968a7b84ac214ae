import { splitOf, type TreeNode } from '../engine/tree.ts';

/** Tries of one unit before the round is given up. */
const MAXIMUM_TRIES = 5;

/** Why a unit is dealt: nobody had it; somebody failed at it or was lost with it; somebody slow is still at it. */
export type DealReason = 'first' | 'retry' | 'duplicate';
export type DealCounts = Record<DealReason, number>;

interface Unit {
  done: boolean;
  /** Attempts under way. */
  held: number;
  failures: number;
  /** Of the next time that it is dealt. */
  reason: DealReason;
}

/**
 * What is done, under way and missing of one step's nodes (or of an evaluation's chunks). A unit may be computed twice;
 * attempts that settle after the round was closed never reach it.
 */
export class Round<Result> {
  readonly units: number;
  readonly #wanted: readonly TreeNode[];
  readonly #results = new Map<number, Result>();
  readonly #states: readonly Unit[];
  #left = 0;

  /** @param units of the whole tree @param wanted disjoint nodes of it */
  constructor(units: number, wanted: readonly TreeNode[]) {
    this.units = units;
    this.#wanted = wanted;
    this.#states = Array.from({ length: units }, () => ({ done: true, held: 0, failures: 0, reason: 'first' }) as Unit);
    this.#each(wanted, (unit) => {
      unit.done = false;
      this.#left++;
    });
  }

  /** An attempt at these nodes has begun. @param counts counts the units by why they were dealt */
  hold(nodes: readonly TreeNode[], counts?: DealCounts): void {
    this.#each(nodes, (unit) => {
      unit.held++;
      if (counts !== undefined) counts[unit.reason]++;
      unit.reason = 'retry';
    });
  }

  /** Nobody waits for this attempt any more; it may still succeed. */
  abandon(nodes: readonly TreeNode[]): void {
    this.#each(nodes, (unit) => {
      unit.held--;
    });
  }

  /** As `abandon`, of an attempt that is slow and goes on. */
  giveUp(nodes: readonly TreeNode[]): void {
    this.abandon(nodes);
    this.#each(nodes, (unit) => {
      unit.reason = 'duplicate';
    });
  }

  succeed(node: TreeNode, result: Result): void {
    this.#results.set(this.#key(node), result);
    this.#each([node], (unit) => {
      if (!unit.done) this.#left--;
      unit.done = true;
    });
  }

  /** @returns a unit that failed too often to be tried again, if there is one */
  fail(nodes: readonly TreeNode[]): number | undefined {
    let hopeless: number | undefined;
    this.#each(nodes, (unit, index) => {
      unit.reason = 'retry';
      if (++unit.failures >= MAXIMUM_TRIES) hopeless ??= index;
    });
    return hopeless;
  }

  /** What is neither done nor under way, as ranges of units; none reaches from one wanted node into the next. */
  missing(): TreeNode[] {
    return this.#wanted.flatMap((node) => this.#missingOf(node));
  }

  #missingOf({ begin, end }: TreeNode): TreeNode[] {
    const isMissing = (index: number): boolean => {
      const unit = this.#states[index] as Unit;
      return !unit.done && unit.held === 0;
    };
    const ranges: TreeNode[] = [];
    for (let unit = begin; unit < end; unit++) {
      if (!isMissing(unit)) continue;
      const first = unit;
      while (unit < end && isMissing(unit)) unit++;
      ranges.push({ begin: first, end: unit });
    }
    return ranges;
  }

  /** Whether all of it is there, in whatever nodes. */
  isDone({ begin, end }: TreeNode): boolean {
    return this.#states.slice(begin, end).every(({ done }) => done);
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** Disjoint results that make up the wanted nodes, ascending. Only of a complete round. */
  results(): Result[] {
    return this.#wanted.flatMap((node) => this.resultsOf(node) ?? []);
  }

  /** Disjoint results that make up a node, ascending; undefined where some are missing. */
  resultsOf(node: TreeNode): Result[] | undefined {
    const result = this.#results.get(this.#key(node));
    if (result !== undefined) return [result];
    if (node.end - node.begin === 1) return undefined;
    const split = splitOf(node);
    const left = this.resultsOf({ begin: node.begin, end: split });
    const right = left && this.resultsOf({ begin: split, end: node.end });
    return right && left?.concat(right);
  }

  #each(nodes: readonly TreeNode[], visit: (unit: Unit, index: number) => void): void {
    for (const { begin, end } of nodes) {
      for (let index = begin; index < end; index++) visit(this.#states[index] as Unit, index);
    }
  }

  #key({ begin, end }: TreeNode): number {
    return begin * (this.units + 1) + end;
  }
}
