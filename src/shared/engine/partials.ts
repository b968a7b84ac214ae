import type { PartialGradient } from './executor.ts';
import { reduceTree } from './reduce.ts';
import type { ShardRange } from './tree.ts';
import type { KernelExports } from './wasm/exports.ts';
import { padded } from './wasm/memory.ts';

/**
 * Adds partial gradients up to the vertex over `range`, by whole vectors.
 * @param levels vectors for the sums, [parameters] each, one a level of the tree; without them it adds in place, into the
 * leftmost partial
 */
export function addPartials(
  kernel: KernelExports,
  partials: readonly PartialGradient[],
  range: ShardRange,
  levels: readonly Float32Array[] = [],
): PartialGradient {
  return reduceTree(
    range,
    (below) => partials.find((partial) => partial.range.begin === below.begin && partial.range.end === below.end),
    (left, right, depth) => {
      const gradient = levels[depth] ?? left.gradient;
      const [a, b] = [left.gradient.byteOffset, right.gradient.byteOffset];
      kernel.add(gradient.byteOffset, a, b, padded(gradient.length));
      return {
        range: { begin: left.range.begin, end: right.range.end },
        gradient,
        lossSum: left.lossSum + right.lossSum,
        correct: left.correct + right.correct,
      };
    },
  );
}
