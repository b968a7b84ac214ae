import { type LayerLayout, type Parts, partsOf } from '../../shared/model/layers/placed-layer.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
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

/** The weights of each of a layer's tensors. */
export function weightsOf(layer: LayerLayout, { weights }: Network): Parts<string, Float32Array> {
  return partsOf(layer, ({ offset, size }) => weights.subarray(offset, offset + size));
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
