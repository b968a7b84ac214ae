import { splitOf, type TreeNode } from '../engine/tree.ts';

/** Costs that differ by less are the same: measured ones always move a little, and a new deal takes a search. */
const SAME = 0.05;

/** What shards cost on a machine, in any common unit of time. */
export interface Cost {
  /** Of each shard, above 0. */
  readonly shard: number;
  /** Of any shards at all: weights and gradients on their way. */
  readonly overhead: number;
}

/**
 * Deals the whole tree to machines by their costs so that each gets at most two tree nodes, which is what it has to send. Unlike
 * `Dealer`, which hits the speeds to a shard, it takes the deal that is done first of those that are possible so.
 */
export class Portions {
  #shards = 0;
  #costs: readonly Cost[] = [];
  #portions: readonly (readonly TreeNode[])[] = [];
  #time = 0;

  /**
   * @param costs one a machine
   * @returns per machine its nodes: none, one or two, ascending
   */
  deal(shards: number, costs: readonly Cost[]): readonly (readonly TreeNode[])[] {
    if (shards !== this.#shards || !this.#isLikeBefore(costs)) {
      this.#shards = shards;
      this.#costs = costs;
      const { portions, time } = fairest(runsFrom(shards), costs);
      this.#portions = portions;
      this.#time = time;
    }
    return this.#portions;
  }

  #isLikeBefore(costs: readonly Cost[]): boolean {
    return (
      costs.length === this.#costs.length &&
      costs.every(({ shard, overhead }, i) => {
        const before = this.#costs[i] as Cost;
        return (
          Math.abs(shard - before.shard) < SAME * before.shard &&
          Math.abs(overhead - before.overhead) < SAME * this.#time
        );
      })
    );
  }
}

/** A run of shards that at most two nodes make up. */
interface Run {
  readonly end: number;
  readonly nodes: readonly TreeNode[];
}

/** The runs that begin at each shard; the last entry, behind all shards, has the empty run alone. */
function runsFrom(shards: number): Run[][] {
  const nodes: TreeNode[][] = Array.from({ length: shards + 1 }, () => []);
  const visit = (node: TreeNode): void => {
    nodes[node.begin]?.push(node);
    if (node.end - node.begin === 1) return;
    const split = splitOf(node);
    visit({ begin: node.begin, end: split });
    visit({ begin: split, end: node.end });
  };
  visit({ begin: 0, end: shards });
  return nodes.map((firsts, begin) => [
    { end: begin, nodes: [] },
    ...firsts.flatMap((first) => [
      { end: first.end, nodes: [first] },
      ...(nodes[first.end] as TreeNode[]).map((second) => ({ end: second.end, nodes: [first, second] })),
    ]),
  ]);
}

/** How far a deal has come: all shards before some place are dealt. */
interface Stage {
  /** Of the machine that takes longest so far. */
  readonly time: number;
  readonly before: Stage | undefined;
  readonly nodes: readonly TreeNode[];
}

/** The deal whose slowest machine is done first: machine by machine, the best way to each place. */
function fairest(
  runs: readonly (readonly Run[])[],
  costs: readonly Cost[],
): { readonly portions: TreeNode[][]; readonly time: number } {
  let stages: (Stage | undefined)[] = [{ time: 0, before: undefined, nodes: [] }];
  for (const { shard, overhead } of costs) {
    const next: (Stage | undefined)[] = [];
    for (const [begin, before] of stages.entries()) {
      if (before === undefined) continue;
      for (const { end, nodes } of runs[begin] as readonly Run[]) {
        const time = Math.max(before.time, end === begin ? 0 : overhead + shard * (end - begin));
        const known = next[end];
        if (known === undefined || time < known.time) next[end] = { time, before, nodes };
      }
    }
    stages = next;
  }
  const portions: TreeNode[][] = [];
  const last = stages[runs.length - 1];
  for (let stage = last; stage?.before !== undefined; stage = stage.before) {
    portions.unshift([...stage.nodes]);
  }
  return { portions, time: last?.time ?? 0 };
}
