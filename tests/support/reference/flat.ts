// The reference for a layout of the program, with weights in flat order and samples as data sets have them.
import type { ModelLayout } from '#src/shared/model/layout.js';
import { at } from './arrays.ts';
import {
  type Batch,
  type GradientResult,
  type Result,
  referenceForward,
  referenceGradient,
  type Tensors,
} from './reference.ts';
import type { NetworkSpec, Shape } from './spec.ts';

export interface ReferenceSample {
  /** Bytes [maps][height][width]. */
  readonly image: Uint8Array;
  readonly label: number;
  /** Rows down, columns right. */
  readonly shift: readonly [down: number, right: number];
}

type Weights = Float32Array | Float64Array;

/** The values of an evaluation. */
export function flatForward(layout: ModelLayout, weights: Weights, samples: readonly ReferenceSample[]): Result {
  return referenceForward(networkOf(layout), tensorsIn(layout, weights), batchOf(layout, samples, false));
}

/** One shard's gradient, [parameters] in flat order. */
export function flatGradient(
  layout: ModelLayout,
  weights: Weights,
  samples: readonly ReferenceSample[],
): Omit<GradientResult, 'gradient'> & { readonly gradient: Float64Array } {
  const result = referenceGradient(networkOf(layout), tensorsIn(layout, weights), batchOf(layout, samples, true));
  const gradient = new Float64Array(layout.parameters);
  for (const { name, offset } of layout.tensors) gradient.set(result.gradient.get(name) ?? [], offset);
  return { ...result, gradient };
}

/** A parsed spec has what the reference reads. */
export function networkOf({ spec }: ModelLayout): NetworkSpec {
  return spec as unknown as NetworkSpec;
}

function tensorsIn(layout: ModelLayout, weights: Weights): Tensors {
  if (weights.length !== layout.parameters)
    throw new RangeError(`Expected ${layout.parameters} weights, got ${weights.length}.`);
  const tensors = layout.tensors.map(({ name, offset, size }) => {
    return [name, Float64Array.from(weights.subarray(offset, offset + size))] as const;
  });
  return new Map(tensors);
}

function batchOf({ input }: ModelLayout, samples: readonly ReferenceSample[], training: boolean): Batch {
  return {
    inputs: samples.map(({ image, shift }) =>
      shifted(
        Float64Array.from(image, (byte) => byte / 255),
        input,
        shift,
      ),
    ),
    targets: samples.map(({ label }) => [label]),
    shardSize: samples.length,
    training,
    seed: 0,
    first: 0,
  };
}

/** Values [maps][height][width] moved down and right; what a shift brings in is 0. */
export function shifted(
  x: Float64Array,
  { height, width }: Shape,
  [down, right]: readonly [number, number],
): Float64Array {
  return x.map((_, place) => {
    const column = (place % width) - right;
    const row = (Math.floor(place / width) % height) - down;
    const inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? at(x, place - down * width - right) : 0;
  });
}
