import { splitOf, type TreeNode } from '../tree.ts';

/** Tries of one unit before the round is given up. */
const MAXIMUM_TRIES = 5;

/**
 * What is done, under way and missing of one step's nodes (or of an evaluation's chunks). A unit may be computed twice;
 * attempts that settle after the round was closed never reach it.
 */
export class Round<Result> {
  readonly units: number;
  readonly #wanted: readonly TreeNode[];
  readonly #results = new Map<string, Result>();
  readonly #done: Uint8Array;
  readonly #held: Uint16Array;
  readonly #failures: Uint8Array;

  /** @param units of the whole tree @param wanted disjoint nodes of it */
  constructor(units: number, wanted: readonly TreeNode[]) {
    this.units = units;
    this.#wanted = wanted;
    this.#done = new Uint8Array(units).fill(1);
    for (const { begin, end } of wanted) this.#done.fill(0, begin, end);
    this.#held = new Uint16Array(units);
    this.#failures = new Uint8Array(units);
  }

  /** An attempt at these nodes has begun. */
  hold(nodes: readonly TreeNode[]): void {
    this.#count(nodes, 1);
  }

  /** Nobody waits for this attempt any more; it may still succeed. */
  abandon(nodes: readonly TreeNode[]): void {
    this.#count(nodes, -1);
  }

  succeed(node: TreeNode, result: Result): void {
    this.#results.set(key(node), result);
    this.#done.fill(1, node.begin, node.end);
  }

  /** @returns a unit that failed too often to be tried again, if there is one */
  fail(nodes: readonly TreeNode[]): number | undefined {
    let hopeless: number | undefined;
    for (const { begin, end } of nodes) {
      for (let unit = begin; unit < end; unit++) {
        const failures = (this.#failures[unit] as number) + 1;
        this.#failures[unit] = failures;
        if (failures >= MAXIMUM_TRIES) hopeless ??= unit;
      }
    }
    return hopeless;
  }

  /** What is neither done nor under way, as ranges of units; none reaches from one wanted node into the next. */
  missing(): TreeNode[] {
    return this.#wanted.flatMap((node) => this.#missingOf(node));
  }

  #missingOf({ begin, end }: TreeNode): TreeNode[] {
    const isMissing = (unit: number): boolean => this.#done[unit] === 0 && this.#held[unit] === 0;
    const ranges: TreeNode[] = [];
    for (let unit = begin; unit < end; unit++) {
      if (!isMissing(unit)) continue;
      const first = unit;
      while (unit < end && isMissing(unit)) unit++;
      ranges.push({ begin: first, end: unit });
    }
    return ranges;
  }

  get complete(): boolean {
    return !this.#done.includes(0);
  }

  /** Disjoint results that make up the wanted nodes, ascending. Only of a complete round. */
  results(): Result[] {
    const chosen: Result[] = [];
    const visit = (node: TreeNode): void => {
      const result = this.#results.get(key(node));
      if (result !== undefined) {
        chosen.push(result);
        return;
      }
      const split = splitOf(node);
      visit({ begin: node.begin, end: split });
      visit({ begin: split, end: node.end });
    };
    for (const node of this.#wanted) visit(node);
    return chosen;
  }

  #count(nodes: readonly TreeNode[], change: number): void {
    for (const { begin, end } of nodes) {
      for (let unit = begin; unit < end; unit++) this.#held[unit] = (this.#held[unit] as number) + change;
    }
  }
}

function key({ begin, end }: TreeNode): string {
  return `${begin}-${end}`;
}
