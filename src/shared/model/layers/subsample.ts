import { ModelError } from '../../util/errors.ts';
import { biased, CHANNELS_FIRST, INT32, stackOf } from '../formats/graph.ts';
import { CHANNELS_LAST } from '../formats/keras.ts';
import { shapeSize, shapeText } from '../shape.ts';
import { relu } from './activation.ts';
import type { Layer, NamedSpec } from './layer.ts';

/** The sum of each 2x2 window, times the map's coefficient, plus the map's bias, then ReLU. */
export interface SubsampleSpec extends NamedSpec {
  readonly kind: 'subsample';
}

/** Values of a window. Pooling gives their mean, of which this is the sum exactly: a power of two. */
const WINDOW = 4;

export const subsample: Layer<SubsampleSpec, 'coefficient' | 'bias'> = {
  kind: 'subsample',
  text: 'subsampling',

  shape({ name }, input) {
    const { maps, height, width } = input;
    if (height % 2 === 0 && width % 2 === 0) return { maps, height: height / 2, width: width / 2 };
    throw new ModelError(`${name}: a 2x2 subsampling needs even sides, but its input is ${shapeText(input)}.`);
  },
  tensors: ({ output: { maps } }) => [
    // At first the mean of the window.
    { part: 'coefficient', shape: [maps], fill: 1 / WINDOW },
    { part: 'bias', shape: [maps] },
  ],
  connections: ({ output }) => shapeSize(output) * (WINDOW + 1),
  // Part of the convolution before it.
  macs: () => ({ forward: 0, input: 0, weight: 0 }),

  tfjs(tf, _layer, x, { coefficient, bias }) {
    const sums = tf.mul(tf.avgPool(x, 2, 2, 'valid'), WINDOW);
    return relu.tfjs(tf, tf.add(tf.mul(sums, coefficient), bias));
  },
  onnx(graph, { spec: { name }, output: { maps } }, x, { coefficient, bias }) {
    const means = graph.add(`${name}.means`, 'AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
    const weight = graph.floats(
      `${name}.factor`,
      [maps, 1, 1, 1],
      coefficient.map((c) => WINDOW * c),
    );
    const inputs = [means, weight, graph.floats(`${name}.bias`, [maps], bias)];
    const scaled = graph.add(`${name}.scaled`, 'Conv', inputs, { kernel_shape: [1, 1], group: maps });
    return relu.onnx(graph, name, scaled);
  },
  keras({ spec: { name }, output: { maps } }, { coefficient, bias }) {
    const pool = { pool_size: [2, 2], strides: [2, 2], padding: 'valid', data_format: 'channels_last' };
    const config = { kernel_size: [1, 1], depth_multiplier: 1, strides: [1, 1], use_bias: true };
    return [
      { className: 'AveragePooling2D', config: { name: `${name}_means`, ...pool } },
      {
        className: 'DepthwiseConv2D',
        config: { name, ...config, activation: 'relu', ...CHANNELS_LAST },
        weights: [
          { name: `${name}/depthwise_kernel`, shape: [1, 1, maps, 1], values: coefficient.map((c) => WINDOW * c) },
          { name: `${name}/bias`, shape: [maps], values: bias },
        ],
      },
    ];
  },
  graph(graph, { output }, x, { coefficient, bias }) {
    const shape = stackOf(output);
    const [perMap, window] = [
      [output.maps, 1, 1],
      [1, 1, 2, 2],
    ];
    const pool = { ...CHANNELS_FIRST, ksize: window, strides: window, padding: 'VALID' };
    const means = graph.add('AvgPool', [x], shape, pool);
    const sums = graph.add('sum/Mul', [means, graph.constant('sum/count', Float32Array.of(WINDOW), [])], shape);
    const size = graph.constant('scale/shape', Int32Array.from(perMap), [3]);
    const factors = graph.add('scale/Reshape', [coefficient, size], perMap, { Tshape: INT32 });
    return relu.graph(graph, biased(graph, graph.add('scale/Mul', [sums, factors], shape), bias));
  },
};
