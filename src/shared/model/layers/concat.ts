import { ModelError } from '../../util/errors.ts';
import { batchOf, INT32 } from '../formats/graph.ts';
import { type Shape, shapeText } from '../shape.ts';
import { sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';

/** The maps of its inputs, one behind the other. */
export interface ConcatSpec extends LayerSpec {
  readonly kind: 'concat';
}

export const concat = {
  kind: 'concat',
  text: 'concatenation',
  arity: [2, 64],

  fields: () => ({}),
  shape({ name }, inputs) {
    const { height, width } = inputs[0] as Shape;
    const maps = inputs.reduce((sum, shape) => sum + shape.maps, 0);
    if (inputs.every((shape) => shape.height === height && shape.width === width)) return { maps, height, width };
    const texts = inputs.map(shapeText).join(', ');
    throw new ModelError(`${name}: it joins maps of the same rows and columns, but its inputs are ${texts}.`);
  },
  tensors: () => [],
  macs: () => NO_MACS,

  forward(emit, _layer, { inputs, output }) {
    for (const [i, part] of partsOf(
      output,
      inputs.map(({ shape }) => shape),
    ).entries())
      emit.op('forward', 'copyMaps', inputs[i], part, part.shape.maps, sides(part.shape));
  },
  backward(emit, layer, { delta, inputDeltas }) {
    for (const [i, part] of partsOf(delta, layer.inputs).entries()) {
      if (inputDeltas[i] !== undefined)
        emit.op('train', 'copyMaps', part, inputDeltas[i], part.shape.maps, sides(part.shape));
    }
  },

  // The last axis is the maps'.
  tfjs: (tf, _layer, x) => tf.concat(x, (x[0]?.shape.length ?? 0) - 1),
  onnx: (graph, _layer, x) => graph.add('', 'Concat', x, { axis: 1 }),
  keras(keras, _layer, x) {
    const names = x.map(({ name }) => name);
    return keras.add('', 'Concatenate', names, { axis: -1 });
  },
  graph(graph, { output }, x) {
    const axis = graph.constant('axis', Int32Array.of(1), []);
    return graph.add('ConcatV2', [...x, axis], batchOf(output), { Tidx: INT32 });
  },
} satisfies Layer<ConcatSpec, never>;

/** The maps of `whole` that belong to each input. */
function partsOf(whole: Value, shapes: readonly Shape[]): Value[] {
  let next = 0;
  return shapes.map((shape) => {
    const part = { ...whole, shape, at: whole.at + next * whole.plane };
    next += shape.maps;
    return part;
  });
}
