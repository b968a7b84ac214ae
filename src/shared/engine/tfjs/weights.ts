import type { LayerLayout, ModelLayout, TensorLayout } from '../../model/layout.ts';

/** A parameter tensor as tfjs takes it. */
export interface TfjsParameter {
  readonly shape: readonly number[];
  /** Elements, those of absent connections included. */
  readonly size: number;
  readonly layout: TensorLayout;
  /** For a convolution, the place in the filter of each element of the flat order; undefined if the order is the same. */
  readonly places: Int32Array | undefined;
}

/** The parameters in flat order: two a layer, none for an RBF head. */
export function tfjsParameters({ layers }: ModelLayout): TfjsParameter[] {
  return layers.flatMap((layer) =>
    layer.tensors.map((layout, i) => {
      if (layer.spec.kind === 'conv' && i === 0) return filterOf(layer, layout, layer.spec.kernel);
      return { shape: layout.shape, size: layout.size, layout, places: undefined };
    }),
  );
}

/** A filter [row][column][input map][output map] over all maps: zero if the table has no connection. */
function filterOf({ input, output, inputsOf }: LayerLayout, layout: TensorLayout, side: number): TfjsParameter {
  const kernels = inputsOf.flatMap((maps, to) => maps.map((from) => ({ from, to })));
  const taps = side * side;
  const places = Int32Array.from({ length: layout.size }, (_, i) => {
    const { from, to } = kernels[Math.floor(i / taps)] as (typeof kernels)[number];
    return ((i % taps) * input.maps + from) * output.maps + to;
  });
  const shape = [side, side, input.maps, output.maps];
  return { shape, size: taps * input.maps * output.maps, layout, places };
}

/** A parameter's values out of the flat vector; always a copy, since tfjs reads it later. */
export function valuesOf({ layout, size, places }: TfjsParameter, flat: Float32Array): Float32Array {
  const values = flat.slice(layout.offset, layout.offset + layout.size);
  if (places === undefined) return values;
  const filter = new Float32Array(size);
  for (let i = 0; i < places.length; i++) filter[places[i] as number] = values[i] as number;
  return filter;
}

/** Puts a parameter's gradient into the flat vector; what absent connections would get is dropped. */
export function putGradient({ layout, places }: TfjsParameter, values: Float32Array, flat: Float32Array): void {
  if (places === undefined) {
    flat.set(values, layout.offset);
    return;
  }
  for (let i = 0; i < places.length; i++) flat[layout.offset + i] = values[places[i] as number] as number;
}
