import type { Partial } from '#src/shared/executor.js';
import type { KernelExports } from '#src/shared/kernel/exports.js';
import { padded } from '#src/shared/kernel/memory.js';
import { reduceTree } from '#src/shared/reduction/reduce.js';
import type { TreeNode } from '#src/shared/tree.js';

/** Adds partials up to `node` by whole vectors, in place: the sum lies in the leftmost one. */
export function reduce(kernel: KernelExports, partials: readonly Partial[], node: TreeNode): Partial {
  return reduceTree(
    node,
    (below) => partials.find((partial) => partial.node.begin === below.begin && partial.node.end === below.end),
    (left, right) => {
      const target = left.gradient.byteOffset;
      kernel.add(target, target, right.gradient.byteOffset, padded(left.gradient.length));
      return {
        node: { begin: left.node.begin, end: right.node.end },
        gradient: left.gradient,
        lossSum: left.lossSum + right.lossSum,
        correct: left.correct + right.correct,
      };
    },
  );
}
