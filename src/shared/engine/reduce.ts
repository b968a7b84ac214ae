import { type ShardRange, splitOf } from './tree.ts';

/**
 * Adds up the vertex over `range` in the tree's order, from the values that are known of it and of the vertices below.
 * @param known the value of a vertex; undefined if its children must be added
 * @param add may keep its sum at place `depth`, where it stays untouched until it has been added itself
 * @throws Error if a leaf isn't known
 */
export function reduceTree<Value>(
  range: ShardRange,
  known: (range: ShardRange) => Value | undefined,
  add: (left: Value, right: Value, depth: number) => Value,
  depth = 0,
): Value {
  const value = known(range);
  if (value !== undefined) return value;
  if (range.end - range.begin === 1) throw new Error(`No partial has shard ${range.begin}.`);
  const split = splitOf(range);
  const left = reduceTree({ begin: range.begin, end: split }, known, add, depth);
  const right = reduceTree({ begin: split, end: range.end }, known, add, depth + 1);
  return add(left, right, depth);
}
