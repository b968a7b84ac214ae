import type { LossSum } from './backend.ts';
import { partialOf } from './partials.ts';
import { reduceTree } from './reduce.ts';
import type { ShardRange } from './tree.ts';

/** Loss sum and correct count of a whole batch, added in the tree's order. @param partials ascending, the whole tree */
export function addLosses(partials: readonly (LossSum & { readonly range: ShardRange })[]): LossSum {
  const { lossSum, correct } = reduceTree<LossSum>(
    { begin: 0, end: partials.at(-1)?.range.end ?? 0 },
    (range) => partialOf(partials, range),
    (left, right) => ({ lossSum: left.lossSum + right.lossSum, correct: left.correct + right.correct }),
  );
  return { lossSum, correct };
}
