import type { Partial } from '../executor.ts';
import type { KernelExports } from '../kernel/exports.ts';
import { padded } from '../kernel/memory.ts';
import type { TreeNode } from '../tree.ts';
import { reduceTree } from './reduce.ts';

/** Adds partials up to `node` by whole vectors, in place: the sum lies in the leftmost one. */
export function addPartials(kernel: KernelExports, partials: readonly Partial[], node: TreeNode): Partial {
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
