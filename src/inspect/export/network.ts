import type { LayerLayout, ModelLayout } from '../../shared/model/layout.ts';
import { CheckpointError } from '../../shared/util/errors.ts';

/** Trained weights on their way into another program's format. */
export interface Network {
  readonly layout: ModelLayout;
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
  /** This package's version. */
  readonly version: string;
  /** Where the weights come from, as texts by name. */
  readonly metadata: Readonly<Record<string, string>>;
}

export const PRODUCER = 'lockstep';

/** Pooling gives the mean of a window's four inputs, but a subsampling layer takes their sum. Exact: a power of two. */
export const WINDOW = 4;

/** The first layer that takes a vector instead of a map stack. */
export function firstVectorLayer({ layers }: ModelLayout): LayerLayout | undefined {
  return layers.find(({ spec }) => spec.kind !== 'conv' && spec.kind !== 'subsample');
}

/** A layer's two tensors: kernels or weight, or a subsampling layer's coefficient, and the bias. */
export function parametersOf(
  { tensors, spec }: LayerLayout,
  { weights }: Network,
): readonly [Float32Array, Float32Array] {
  const [first, second] = tensors.map(({ offset, size }) => weights.subarray(offset, offset + size));
  if (first === undefined || second === undefined) throw new TypeError(`${spec.name} has no parameters.`);
  return [first, second];
}

/** [output maps][input maps][rows][columns] of a convolution: kernels of zeros if its table has none. */
export function denseKernels({ input, inputsOf, tensors }: LayerLayout, kernels: Float32Array): Float32Array {
  const taps = kernels.length / (tensors[0]?.shape[0] ?? 1);
  const dense = new Float32Array(inputsOf.length * input.maps * taps);
  let next = 0;
  for (const [to, inputs] of inputsOf.entries()) {
    for (const from of inputs) {
      dense.set(kernels.subarray(next, next + taps), (to * input.maps + from) * taps);
      next += taps;
    }
  }
  return dense;
}

/** @throws CheckpointError naming the first value that isn't finite; `file` is their source */
export function refuseNotFinite({ tensors }: ModelLayout, weights: Float32Array, file: string): void {
  const index = weights.findIndex((value) => !Number.isFinite(value));
  if (index < 0) return;
  const name = tensors.findLast(({ offset }) => offset <= index)?.name;
  throw new CheckpointError(
    `${file} holds weights that aren't finite: expected numbers, but the first of them, in ${name}, is ${weights[index]}. ` +
      'Use weights from before they overflowed.',
    { file },
  );
}
