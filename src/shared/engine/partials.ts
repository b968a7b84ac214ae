import type { Partial } from './executor.ts';
import { reduceTree } from './reduce.ts';
import type { TreeNode } from './tree.ts';
import type { KernelExports } from './wasm/exports.ts';
import { padded } from './wasm/memory.ts';

/**
 * Adds partials up to `node` by whole vectors.
 * @param levels where sums lie, [parameters] each, one a level of the tree; without them it adds in place, into the leftmost partial
 */
export function addPartials(
  kernel: KernelExports,
  partials: readonly Partial[],
  node: TreeNode,
  levels: readonly Float32Array[] = [],
): Partial {
  return reduceTree(
    node,
    (below) => partials.find((partial) => partial.node.begin === below.begin && partial.node.end === below.end),
    (left, right, depth) => {
      const gradient = levels[depth] ?? left.gradient;
      const [a, b] = [left.gradient.byteOffset, right.gradient.byteOffset];
      kernel.add(gradient.byteOffset, a, b, padded(gradient.length));
      return {
        node: { begin: left.node.begin, end: right.node.end },
        gradient,
        lossSum: left.lossSum + right.lossSum,
        correct: left.correct + right.correct,
      };
    },
  );
}
