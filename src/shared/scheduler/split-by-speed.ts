import { cover, type TreeNode, unitCount } from '../engine/tree.ts';

/** Deals shards to workers by their speeds: each gets a contiguous run of them in proportion, as the fewest tree nodes. */
export class Dealer {
  #last: Deal = { shards: 0, missing: [], cuts: [], shares: [] };

  /**
   * @param shards of the whole tree
   * @param missing disjoint nodes to deal, ascending
   * @param speeds one per worker, in any common unit, above 0
   * @returns per worker its nodes, possibly none
   */
  deal(shards: number, missing: readonly TreeNode[], speeds: readonly number[]): readonly (readonly TreeNode[])[] {
    const total = unitCount(missing);
    const cuts = cutsOf(total, speeds);
    // Almost every step is dealt as the one before it.
    if (isSame(this.#last, shards, missing, cuts)) return this.#last.shares;
    const shares = speeds.map((_, worker) =>
      runOf(missing, cuts[worker] ?? 0, cuts[worker + 1] ?? total).flatMap(({ begin, end }) =>
        cover(shards, begin, end),
      ),
    );
    this.#last = { shards, missing, cuts, shares };
    return shares;
  }
}

interface Deal {
  readonly shards: number;
  readonly missing: readonly TreeNode[];
  readonly cuts: readonly number[];
  readonly shares: readonly (readonly TreeNode[])[];
}

function isSame(last: Deal, shards: number, missing: readonly TreeNode[], cuts: readonly number[]): boolean {
  return (
    last.shards === shards &&
    last.missing.length === missing.length &&
    last.cuts.length === cuts.length &&
    missing.every(({ begin, end }, i) => last.missing[i]?.begin === begin && last.missing[i]?.end === end) &&
    cuts.every((cut, i) => last.cuts[i] === cut)
  );
}

/** Where each worker's share of `total` begins, by rounding the running sum; then `total`. */
function cutsOf(total: number, speeds: readonly number[]): number[] {
  const all = speeds.reduce((sum, speed) => sum + speed, 0);
  let before = 0;
  const cuts = speeds.map((speed) => {
    const cut = Math.round((total * before) / all);
    before += speed;
    return cut;
  });
  cuts.push(total);
  return cuts;
}

/** The shards from place `from` to `to` of the concatenated nodes, as ranges of shard indices. */
function runOf(nodes: readonly TreeNode[], from: number, to: number): TreeNode[] {
  let place = 0;
  return nodes.flatMap(({ begin, end }) => {
    const first = begin + Math.max(0, from - place);
    const last = begin + Math.min(end - begin, to - place);
    place += end - begin;
    return first < last ? [{ begin: first, end: last }] : [];
  });
}
