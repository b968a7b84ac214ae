import type { GraphValue } from '../formats/graph.ts';
import type { KerasValue } from '../formats/keras.ts';
import type { Tensor } from '../formats/tensorflow.ts';
import { type Shape, shapeSize, vector } from '../shape.ts';
import { sides, type Value, viewed } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';

/** A stack as a vector: map by map, row by row. */
export interface FlattenSpec extends LayerSpec {
  readonly kind: 'flatten';
}

export const flatten = {
  kind: 'flatten',
  text: 'flatten',
  takes: 'vectors',
  isElementwise: true,
  refines: true,

  fields: () => ({}),
  shape: (_spec, [input]) => vector(shapeSize(input as Shape)),
  tensors: () => [],
  macs: () => NO_MACS,
  forward(emit, _layer, { inputs: [x], output }) {
    const from = x as Value;
    emit.op('forward', 'copyMaps', from, viewed(output, from.shape), from.shape.maps, sides(from.shape));
  },
  backward(emit, _layer, { delta, inputDeltas: [target] }) {
    if (target === undefined) return;
    emit.op('train', 'copyMaps', viewed(delta, target.shape), target, target.shape.maps, sides(target.shape));
  },

  // What it takes has been flattened already, or in Keras will be.
  tfjs: (_tf, _layer, [x]) => x as Tensor,
  onnx: (_graph, _layer, [x]) => x as string,
  keras: (_keras, _layer, [x]) => (x as KerasValue).name,
  graph: (_graph, _layer, [x]) => x as GraphValue,
} satisfies Layer<FlattenSpec, never>;
