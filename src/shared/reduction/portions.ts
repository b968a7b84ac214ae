import { splitOf, type TreeNode } from '../tree.ts';

/** Speeds that differ by less are the same: measured speeds always move a little, and a new deal costs a search. */
const SAME = 0.05;

/**
 * Deals the whole tree to machines by their speeds so that each gets at most two tree nodes, which is what it has to send. Unlike
 * `Dealer`, which hits the speeds to a shard, it takes the fairest of the deals that are possible so.
 */
export class Portions {
  #shards = 0;
  #speeds: readonly number[] = [];
  #portions: readonly (readonly TreeNode[])[] = [];

  /**
   * @param speeds one a machine, in any common unit, above 0
   * @returns per machine its nodes: none, one or two, ascending
   */
  deal(shards: number, speeds: readonly number[]): readonly (readonly TreeNode[])[] {
    const isSame =
      shards === this.#shards &&
      speeds.length === this.#speeds.length &&
      speeds.every((speed, i) => Math.abs(speed / (this.#speeds[i] as number) - 1) < SAME);
    if (!isSame) {
      this.#shards = shards;
      this.#speeds = speeds;
      this.#portions = fairest(runsFrom(shards), speeds);
    }
    return this.#portions;
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
function fairest(runs: readonly (readonly Run[])[], speeds: readonly number[]): TreeNode[][] {
  let stages: (Stage | undefined)[] = [{ time: 0, before: undefined, nodes: [] }];
  for (const speed of speeds) {
    const next: (Stage | undefined)[] = [];
    for (const [begin, before] of stages.entries()) {
      if (before === undefined) continue;
      for (const { end, nodes } of runs[begin] as readonly Run[]) {
        const time = Math.max(before.time, (end - begin) / speed);
        const known = next[end];
        if (known === undefined || time < known.time) next[end] = { time, before, nodes };
      }
    }
    stages = next;
  }
  const dealt: TreeNode[][] = [];
  for (let stage = stages[runs.length - 1]; stage?.before !== undefined; stage = stage.before) {
    dealt.unshift([...stage.nodes]);
  }
  return dealt;
}
