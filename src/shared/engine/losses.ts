import type { LossSum } from './backend.ts';
import { reduceTree } from './reduce.ts';
import type { TreeNode } from './tree.ts';

/** Loss sum and correct count of a whole batch, added in the tree's order. @param partials ascending, the whole tree */
export function addLosses(partials: readonly (LossSum & { readonly node: TreeNode })[]): LossSum {
  const { lossSum, correct } = reduceTree<LossSum>(
    { begin: 0, end: partials.at(-1)?.node.end ?? 0 },
    ({ begin, end }) => partials.find(({ node }) => node.begin === begin && node.end === end),
    (left, right) => ({ lossSum: left.lossSum + right.lossSum, correct: left.correct + right.correct }),
  );
  return { lossSum, correct };
}
