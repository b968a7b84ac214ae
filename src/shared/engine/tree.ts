/**
 * The reduction tree over shard indices: the vertex [begin, end) splits at begin plus the largest power of two below its
 * length; a leaf is one shard. Sums taken in this order are the same bits however the shard ranges were assigned.
 */
export interface ShardRange {
  readonly begin: number;
  readonly end: number;
}

/** The shard at which a vertex of more than one shard splits into its two children. */
export function splitOf({ begin, end }: ShardRange): number {
  const length = end - begin;
  let half = 1;
  while (half * 2 < length) half *= 2;
  return begin + half;
}

/** The fewest vertices under the root [0, shards) that together cover [begin, end), ascending. */
export function cover(shards: number, begin: number, end: number): ShardRange[] {
  const ranges: ShardRange[] = [];
  const visit = (range: ShardRange): void => {
    if (range.end <= begin || range.begin >= end) return;
    if (range.begin >= begin && range.end <= end) {
      ranges.push(range);
      return;
    }
    const split = splitOf(range);
    visit({ begin: range.begin, end: split });
    visit({ begin: split, end: range.end });
  };
  visit({ begin: 0, end: shards });
  return ranges;
}

/** The ranges' units, a range each: the leaves of the tree below them. */
export function unitsOf(ranges: readonly ShardRange[]): ShardRange[] {
  return ranges.flatMap(({ begin, end }) =>
    Array.from({ length: end - begin }, (_, i) => ({ begin: begin + i, end: begin + i + 1 })),
  );
}

/** Shards (or other units) of disjoint ranges. */
export function unitCount(ranges: readonly ShardRange[]): number {
  return ranges.reduce((sum, { begin, end }) => sum + end - begin, 0);
}

/** Splits on the way from the root over `shards` to its deepest leaf. */
export function depthOf(shards: number): number {
  let depth = 0;
  for (let covered = 1; covered < shards; covered *= 2) depth++;
  return depth;
}

/** Adds up the values of consecutive leaves as the tree does. */
export function treeSum(
  values: ArrayLike<number>,
  { begin, end }: ShardRange = { begin: 0, end: values.length },
): number {
  if (end - begin === 1) return values[begin] as number;
  const split = splitOf({ begin, end });
  return treeSum(values, { begin, end: split }) + treeSum(values, { begin: split, end });
}
