import { ModelError } from '../../util/errors.ts';
import { biased, reshaped, scaled } from '../formats/graph.ts';
import { type KerasValue, scaledMaps as kerasScaledMaps } from '../formats/keras.ts';
import { scaledMaps } from '../formats/onnx.ts';
import { scaledMaps as tensorScaledMaps } from '../formats/tensorflow.ts';
import { type Shape, shapeSize, shapeText } from '../shape.ts';
import { sides, type Value } from './emit.ts';
import { type Layer, NO_MACS } from './layer.ts';
import { type LayerSpec, tensorOf } from './placed-layer.ts';
import { spread, windowArguments } from './pool.ts';
import { averagePoolFormats, kerasWindows } from './pool-formats.ts';
import type { Windows } from './windows.ts';

/** The sum of each 2x2 window, times the map's coefficient, plus the map's bias (LeCun et al. 1998). */
export interface SubsampleSpec extends LayerSpec {
  readonly kind: 'subsample';
}

/** Values of a window. Pooling gives their mean, of which this is the sum exactly: a power of two. */
export const WINDOW = 4;

const WINDOWS: Windows = { size: [2, 2], stride: [2, 2], padding: 'valid' };

const means = averagePoolFormats<SubsampleSpec>(() => WINDOWS);

export const subsample = {
  kind: 'subsample',
  text: 'subsampling',
  takes: 'stacks',

  fields: () => ({}),
  shape({ name }, [input]) {
    const { maps, height, width } = input as Shape;
    if (height % 2 === 0 && width % 2 === 0) return { maps, height: height / 2, width: width / 2 };
    throw new ModelError(`${name}: a 2x2 subsampling needs even sides, but its input is ${shapeText(input as Shape)}.`);
  },
  tensors: ({ output: { maps } }) => [
    // At first the mean of the window.
    { part: 'coefficient', role: 'weight', shape: [maps], fill: 1 / WINDOW },
    { part: 'bias', role: 'bias', shape: [maps] },
  ],
  connections: ({ output }) => shapeSize(output) * (WINDOW + 1),
  macs: () => NO_MACS,

  forward(emit, layer, { inputs: [x], output }) {
    const means = emit.temporary(output.shape);
    const [coefficient, bias] = [tensorOf(layer, 'coefficient'), tensorOf(layer, 'bias')];
    const { maps } = output.shape;
    emit.op('forward', 'averagePool', x as Value, means, ...windowArguments(WINDOWS, layer));
    emit.op('forward', 'mapAffine', means, output, maps, sides(output.shape), coefficient, bias, WINDOW);
  },
  backward(emit, layer, { inputs: [x], output: { shape }, delta, inputDeltas }) {
    const [means, meanDeltas] = [emit.temporary(shape), emit.temporary(shape)];
    const coefficient = tensorOf(layer, 'coefficient');
    const gradient = emit.trains(layer) ? coefficient : undefined;
    emit.op('train', 'averagePool', x as Value, means, ...windowArguments(WINDOWS, layer));
    const stack = [shape.maps, sides(shape)];
    emit.op('train', 'mapAffineBackward', means, delta, meanDeltas, ...stack, coefficient, gradient, WINDOW);
    spread(emit, layer, WINDOWS, { delta: meanDeltas, inputDeltas });
  },

  tfjs(tf, layer, x, { coefficient, bias }, pass) {
    const sums = tf.mul(means.tfjs(tf, layer, x, {}, pass), WINDOW);
    return tensorScaledMaps(tf, sums, { weight: coefficient, bias });
  },
  onnx(graph, _layer, [x], { coefficient, bias }) {
    const { size, stride } = WINDOWS;
    const pooled = graph.add('means', 'AveragePool', [x as string], { kernel_shape: size, strides: stride });
    return scaledMaps(graph, '', pooled, { weight: coefficient.map((c) => WINDOW * c), bias });
  },
  keras(keras, _layer, [x], { coefficient, bias }) {
    const pooled = keras.add('means', 'AveragePooling2D', [(x as KerasValue).name], kerasWindows(WINDOWS));
    return kerasScaledMaps(keras, '', pooled, { weight: coefficient.map((c) => WINDOW * c), bias });
  },
  graph(graph, layer, x, { coefficient, bias }) {
    const sums = scaled(graph, 'sum', means.graph(graph, layer, x, {}), WINDOW);
    const factors = reshaped(graph, 'scale', coefficient, [layer.output.maps, 1, 1]);
    return biased(graph, graph.add('scale/Mul', [sums, factors], sums.shape), bias);
  },
} satisfies Layer<SubsampleSpec, 'coefficient' | 'bias'>;
