import { at } from '../arrays.ts';
import type { LayerSpec } from '../spec.ts';
import { first, type Layer, sizeOf, type Values } from './layer.ts';

export const add: Layer = {
  shape: (_spec, inputs) => first(inputs),
  forward: ({ inputs }) =>
    first(inputs).map((_, n) =>
      inputs.map((input) => at(input, n)).reduce((sum, x) => sum.map((value, i) => value + at(x, i))),
    ),
  backward: ({ inputs, deltas }) => inputs.map(() => deltas.map((dy) => dy.slice())),
};

/** The inputs' maps one after the other. */
export const concat: Layer<LayerSpec> = {
  shape(_spec, inputs) {
    const maps = inputs.reduce((sum, shape) => sum + shape.maps, 0);
    return { ...first(inputs), maps };
  },
  forward: ({ inputs }) =>
    first(inputs).map((_, n) => Float64Array.from(inputs.flatMap((input): number[] => [...at(input, n)]))),
  backward({ inputShapes, deltas }) {
    let start = 0;
    return inputShapes.map((shape) => {
      const from = start;
      start += sizeOf(shape);
      return deltas.map((dy): Values => dy.slice(from, start));
    });
  },
};
