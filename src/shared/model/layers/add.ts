import { ModelError } from '../../util/errors.ts';
import type { GraphValue } from '../formats/graph.ts';
import { type Shape, sameShape, shapeText } from '../shape.ts';
import { sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';

/** The sum of its inputs, from the first to the last. */
export interface AddSpec extends LayerSpec {
  readonly kind: 'add';
}

export const add = {
  kind: 'add',
  text: 'sum',
  arity: [2, 64],

  fields: () => ({}),
  shape({ name, inputs: names }, inputs) {
    const first = inputs[0] as Shape;
    const other = inputs.findIndex((shape) => !sameShape(shape, first));
    if (other === -1) return first;
    const [a, b] = [first, inputs[other] as Shape].map(shapeText);
    throw new ModelError(
      `${name}: it adds stacks of one shape, but ${names[0]} has ${a} and ${names[other]} has ${b}.`,
    );
  },
  tensors: () => [],
  macs: () => NO_MACS,

  forward(emit, _layer, { inputs: [first, ...others], output }) {
    let sum = first as Value;
    for (const other of others) {
      emit.op('forward', 'addMaps', sum, other, output, output.shape.maps, sides(output.shape));
      sum = output;
    }
  },
  backward(emit, _layer, { output: { shape }, delta, inputDeltas }) {
    for (const target of inputDeltas) {
      if (target !== undefined) emit.op('train', 'copyMaps', delta, target, shape.maps, sides(shape));
    }
  },

  tfjs: (tf, _layer, x) => x.reduce((sum, each) => tf.add(sum, each)),
  onnx: (graph, _layer, x) =>
    x.reduce((sum, each, i) => graph.add(i === x.length - 1 ? '' : `sum${i}`, 'Add', [sum, each])),
  keras(keras, _layer, x) {
    const names = x.map(({ name }) => name);
    return keras.add('', 'Add', names);
  },
  graph: (graph, _layer, x) => graph.add('AddN', x, (x[0] as GraphValue).shape),
} satisfies Layer<AddSpec, never>;
