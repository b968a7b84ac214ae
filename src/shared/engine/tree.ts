/**
 * The reduction tree over shard indices: node [begin, end) splits at begin plus the largest power of two below its
 * length; a leaf is one shard. Sums taken in this order are the same bits however the nodes were dealt.
 */
export interface TreeNode {
  readonly begin: number;
  readonly end: number;
}

/** Where a node of more than one shard splits into its two children. */
export function splitOf({ begin, end }: TreeNode): number {
  const length = end - begin;
  let half = 1;
  while (half * 2 < length) half *= 2;
  return begin + half;
}

/** The fewest tree nodes under the root [0, shards) that together cover [begin, end), ascending. */
export function cover(shards: number, begin: number, end: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  const visit = (node: TreeNode): void => {
    if (node.end <= begin || node.begin >= end) return;
    if (node.begin >= begin && node.end <= end) {
      nodes.push(node);
      return;
    }
    const split = splitOf(node);
    visit({ begin: node.begin, end: split });
    visit({ begin: split, end: node.end });
  };
  visit({ begin: 0, end: shards });
  return nodes;
}

/** Shards (or other units) of disjoint ranges. */
export function unitCount(nodes: readonly TreeNode[]): number {
  return nodes.reduce((sum, { begin, end }) => sum + end - begin, 0);
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
  { begin, end }: TreeNode = { begin: 0, end: values.length },
): number {
  if (end - begin === 1) return values[begin] as number;
  const split = splitOf({ begin, end });
  return treeSum(values, { begin, end: split }) + treeSum(values, { begin: split, end });
}
