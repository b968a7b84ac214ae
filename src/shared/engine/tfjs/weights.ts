import { type Rearranged, rearrange } from '../../model/formats/tensorflow.ts';
import { kindOf } from '../../model/kinds.ts';
import type { TensorLayout } from '../../model/layers/placed-layer.ts';
import type { ModelLayout } from '../../model/layout.ts';

/** A parameter tensor as tfjs takes it. */
export interface TfjsParameter {
  readonly shape: readonly number[];
  readonly layout: TensorLayout;
  /** undefined if tfjs has it in the same order. */
  readonly rearranged: Rearranged | undefined;
}

/** The parameters in flat order. */
export function tfjsParameters({ layers }: ModelLayout): TfjsParameter[] {
  return layers.flatMap((layer) => {
    const others = kindOf(layer.spec).rearranged?.(layer);
    return layer.tensors.map((layout) => {
      const rearranged = others?.[layout.part];
      return { shape: rearranged?.shape ?? layout.shape, layout, rearranged };
    });
  });
}

/** A parameter's values out of the flat vector; always a copy, since tfjs reads it later. */
export function valuesOf({ layout, rearranged }: TfjsParameter, flat: Float32Array): Float32Array {
  const values = flat.slice(layout.offset, layout.offset + layout.size);
  return rearranged === undefined ? values : rearrange(rearranged, values);
}

/** Puts a parameter's gradient into the flat vector; what absent connections would get is dropped. */
export function putGradient({ layout, rearranged }: TfjsParameter, values: Float32Array, flat: Float32Array): void {
  if (rearranged === undefined) {
    flat.set(values, layout.offset);
    return;
  }
  const { places } = rearranged;
  for (let i = 0; i < places.length; i++) flat[layout.offset + i] = values[places[i] as number] as number;
}
