import { cover, type ShardRange, unitCount } from '../engine/tree.ts';

/**
 * Splits shards over workers by their speeds: each gets a contiguous run of them in proportion, as the fewest ranges of the
 * tree.
 * @param shards the whole tree's
 * @param missing disjoint ranges to split, ascending
 * @param speeds one a worker, in any common unit, above 0
 * @returns for each worker its ranges, possibly none
 */
export function splitBySpeed(
  shards: number,
  missing: readonly ShardRange[],
  speeds: readonly number[],
): readonly (readonly ShardRange[])[] {
  const total = unitCount(missing);
  const cuts = cutsOf(total, speeds);
  return speeds.map((_, worker) =>
    runsBetween(missing, cuts[worker] as number, cuts[worker + 1] as number).flatMap(({ begin, end }) =>
      cover(shards, begin, end),
    ),
  );
}

/** Where each worker's part of `total` begins, by rounding the running sum; then `total`. */
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

/** The shards from place `from` to `to` of the concatenated ranges, as ranges of shard indices. */
function runsBetween(ranges: readonly ShardRange[], from: number, to: number): ShardRange[] {
  let place = 0;
  return ranges.flatMap(({ begin, end }) => {
    const first = begin + Math.max(0, from - place);
    const last = begin + Math.min(end - begin, to - place);
    place += end - begin;
    return first < last ? [{ begin: first, end: last }] : [];
  });
}
