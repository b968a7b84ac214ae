import type { Partial } from '../executor.ts';
import type { KernelExports } from '../kernel/exports.ts';
import { padded } from '../kernel/memory.ts';
import { splitOf, type TreeNode } from '../tree.ts';

/**
 * Sums partials up to `node` in the tree's order, in place: the result's gradient is that of its leftmost partial.
 * @param partials disjoint nodes that together make up `node`
 */
export function reduce(kernel: KernelExports, partials: readonly Partial[], node: TreeNode): Partial {
  const whole = partials.find((partial) => partial.node.begin === node.begin && partial.node.end === node.end);
  if (whole !== undefined) return whole;
  if (node.end - node.begin === 1) throw new Error(`No partial has shard ${node.begin}.`);
  const split = splitOf(node);
  const left = reduce(kernel, partials, { begin: node.begin, end: split });
  const right = reduce(kernel, partials, { begin: split, end: node.end });
  kernel.add(left.gradient.byteOffset, right.gradient.byteOffset, padded(left.gradient.length));
  return {
    node,
    gradient: left.gradient,
    lossSum: left.lossSum + right.lossSum,
    correct: left.correct + right.correct,
  };
}
