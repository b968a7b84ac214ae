import { cover, type ShardRange, unitCount } from '../engine/tree.ts';

/** Deals shards to workers by their speeds: each gets a contiguous run of them in proportion, as the fewest tree nodes. */
export class SpeedSplitter {
  #last: Split = { shards: 0, missing: [], cuts: [], parts: [] };

  /**
   * @param shards of the whole tree
   * @param missing disjoint nodes to deal, ascending
   * @param speeds one per worker, in any common unit, above 0
   * @returns per worker its nodes, possibly none
   */
  split(shards: number, missing: readonly ShardRange[], speeds: readonly number[]): readonly (readonly ShardRange[])[] {
    const total = unitCount(missing);
    const cuts = cutsOf(total, speeds);
    // Almost every step is dealt as the one before it.
    if (isSame(this.#last, shards, missing, cuts)) return this.#last.parts;
    const parts = speeds.map((_, worker) =>
      runOf(missing, cuts[worker] ?? 0, cuts[worker + 1] ?? total).flatMap(({ begin, end }) =>
        cover(shards, begin, end),
      ),
    );
    this.#last = { shards, missing, cuts, parts };
    return parts;
  }
}

interface Split {
  readonly shards: number;
  readonly missing: readonly ShardRange[];
  readonly cuts: readonly number[];
  readonly parts: readonly (readonly ShardRange[])[];
}

function isSame(last: Split, shards: number, missing: readonly ShardRange[], cuts: readonly number[]): boolean {
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
function runOf(ranges: readonly ShardRange[], from: number, to: number): ShardRange[] {
  let place = 0;
  return ranges.flatMap(({ begin, end }) => {
    const first = begin + Math.max(0, from - place);
    const last = begin + Math.min(end - begin, to - place);
    place += end - begin;
    return first < last ? [{ begin: first, end: last }] : [];
  });
}
