import { cover, type TreeNode } from '../tree.ts';

/**
 * Deals shards to workers by their speeds: each gets a contiguous run of them in proportion, as the fewest tree nodes.
 * @param shards of the whole tree
 * @param missing disjoint nodes to deal, ascending
 * @param speeds one per worker, in any common unit, above 0
 * @returns per worker its nodes, possibly none
 */
export function deal(shards: number, missing: readonly TreeNode[], speeds: readonly number[]): TreeNode[][] {
  const total = missing.reduce((sum, { begin, end }) => sum + end - begin, 0);
  const cuts = cutsOf(total, speeds);
  return speeds.map((_, worker) =>
    runOf(missing, cuts[worker] ?? 0, cuts[worker + 1] ?? total).flatMap(({ begin, end }) => cover(shards, begin, end)),
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
  return [...cuts, total];
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
