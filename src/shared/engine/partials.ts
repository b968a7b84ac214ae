import type { PartialGradient, PartialState } from './executor.ts';
import { reduceTree } from './reduce.ts';
import { vectorsOf } from './state.ts';
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
    (below) => partialOf(partials, below),
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

/** Adds the states of replicas up to the vertex over `range`, in place, into the leftmost one. */
export function addStates(kernel: KernelExports, partials: readonly PartialState[], range: ShardRange): PartialState {
  return reduceTree<PartialState>(
    range,
    (below) => partialOf(partials, below),
    (left, right) => {
      const added = vectorsOf(right.state);
      for (const [i, vector] of vectorsOf(left.state).entries()) {
        const other = added[i] as Float32Array;
        kernel.add(vector.byteOffset, vector.byteOffset, other.byteOffset, padded(vector.length));
      }
      const whole = { begin: left.range.begin, end: right.range.end };
      return { range: whole, state: left.state, figures: left.figures.plus(right.figures) };
    },
  );
}

/** The part that is a vertex of the tree; undefined: there is none. */
export function partialOf<Partial extends { readonly range: ShardRange }>(
  partials: readonly Partial[],
  { begin, end }: ShardRange,
): Partial | undefined {
  return partials.find(({ range }) => range.begin === begin && range.end === end);
}
