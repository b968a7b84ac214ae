// Convolutions in other systems. A table's missing connections, and in Keras those between groups, are zeros there.
import { biased, type GraphEmitter, type GraphValue, INT32, stackOf } from '../formats/graph.ts';
import { CONVOLUTION } from '../formats/keras.ts';
import { type Rearranged, rearrange, spreadOver } from '../formats/tensorflow.ts';
import type { Shape } from '../shape.ts';
import { type ConvSpec, inputsOf, windowsOf } from './conv-connections.ts';
import type { Formats } from './layer.ts';
import type { LayerLayout } from './placed-layer.ts';
import {
  graphPadded,
  graphWindows,
  kerasPadded,
  onnxWindows,
  paddingWord,
  tensorPadded,
  usedBorder,
} from './window-formats.ts';

type Conv = LayerLayout<ConvSpec>;

export const convFormats: Formats<ConvSpec, 'weight' | 'bias'> = {
  tfjs(tf, layer, [x], { weight, bias }) {
    const { spec } = layer;
    const padding = paddingWord(windowsOf(spec), layer);
    const input = x as NonNullable<typeof x>;
    const padded = padding === undefined ? tensorPadded(tf, input, usedBorder(windowsOf(spec), layer)) : input;
    const sums = tf.conv2d(padded, weight, spec.stride, padding ?? 'valid');
    return spec.bias ? tf.add(sums, spreadOver(tf, sums, bias)) : sums;
  },
  rearranged: (layer) => ({ weight: filterOverAll(layer) }),
  onnx(graph, layer, [x], { weight, bias }) {
    const { spec } = layer;
    const filter = spec.table === undefined ? { shape: weightShape(layer), values: weight } : scattered(layer, weight);
    const inputs = [x as string, graph.floats('weight', filter.shape, filter.values)];
    if (spec.bias) inputs.push(graph.floats('bias', [spec.maps], bias));
    return graph.add('', 'Conv', inputs, { ...onnxWindows(windowsOf(spec), layer), group: spec.groups });
  },
  keras(keras, layer, [x], { weight, bias }) {
    const { spec } = layer;
    const windows = windowsOf(spec);
    const padding = paddingWord(windows, layer);
    const { name } = x as NonNullable<typeof x>;
    const input = padding === undefined ? kerasPadded(keras, 'padded', name, usedBorder(windows, layer)) : name;
    const common = { kernel_size: spec.kernel, strides: spec.stride, use_bias: spec.bias, padding: padding ?? 'valid' };
    const biases = spec.bias ? [{ name: 'bias', shape: [spec.maps], values: bias }] : [];
    const filter = isDepthwise(layer) ? filterPerMap(layer) : filterOverAll(layer);
    const { shape } = filter;
    const [className, kernel, sizes] = isDepthwise(layer)
      ? ['DepthwiseConv2D', 'depthwise_kernel', { depth_multiplier: shape[3] }]
      : ['Conv2D', 'kernel', { filters: spec.maps }];
    const weights = [{ name: kernel, shape, values: rearrange(filter, weight) }, ...biases];
    return keras.add('', className, [input], { ...CONVOLUTION, ...sizes, ...common }, weights);
  },
  graph(graph, layer, [x], { weight, bias }) {
    const windows = windowsOf(layer.spec);
    const padding = paddingWord(windows, layer);
    const input = x as GraphValue;
    const padded = padding === undefined ? graphPadded(graph, input, usedBorder(windows, layer)) : input;
    const filter = graphFilter(graph, layer, weight);
    const attributes = graphWindows(windows, padding);
    const sums = graph.add('Conv2D', [padded, filter], stackOf(layer.output), attributes);
    return layer.spec.bias ? biased(graph, sums, bias) : sums;
  },
};

/** Depthwise in Keras, whose strides there are the same both ways. */
function isDepthwise({ spec: { groups, stride }, inputs: [input] }: Conv): boolean {
  return groups > 1 && groups === (input as Shape).maps && stride[0] === stride[1];
}

function weightShape({ spec, inputs: [input] }: Conv): number[] {
  return [spec.maps, (input as Shape).maps / spec.groups, ...spec.kernel];
}

/** The place of each element of the kernels in another order. */
function placesOf(layer: Conv, place: (tap: number, from: number, to: number) => number): Int32Array {
  const [rows, columns] = layer.spec.kernel;
  const taps = Array.from({ length: rows * columns }, (_, tap) => tap);
  return Int32Array.from(
    inputsOf(layer).flatMap((inputs, to) => inputs.flatMap((from) => taps.map((tap) => place(tap, from, to)))),
  );
}

/** [row][column][input map][output map] */
function filterOverAll(layer: Conv): Rearranged {
  const { spec, inputs, output } = layer;
  const { maps } = inputs[0] as Shape;
  return {
    shape: [...spec.kernel, maps, output.maps],
    places: placesOf(layer, (tap, from, to) => (tap * maps + from) * output.maps + to),
  };
}

/** [row][column][input map][output map of that] */
function filterPerMap(layer: Conv): Rearranged {
  const { spec, output } = layer;
  const perMap = output.maps / spec.groups;
  return {
    shape: [...spec.kernel, spec.groups, perMap],
    places: placesOf(layer, (tap, from, to) => (tap * spec.groups + from) * perMap + (to % perMap)),
  };
}

/** The kernels of a table as [output map][input map][row][column]. */
function scattered(layer: Conv, weight: Float32Array) {
  const { maps } = layer.inputs[0] as Shape;
  const shape = [layer.spec.maps, maps, ...layer.spec.kernel];
  const taps = layer.spec.kernel[0] * layer.spec.kernel[1];
  const places = placesOf(layer, (tap, from, to) => (to * maps + from) * taps + tap);
  return { shape, values: rearrange({ shape, places }, weight) };
}

/** As TensorFlow has it, [row][column][input map][output map]; a table's kernels are scattered first. */
function graphFilter(graph: GraphEmitter, layer: Conv, weight: GraphValue): GraphValue {
  const { spec, inputs } = layer;
  let maps = weight;
  if (spec.table !== undefined) {
    const shape = [spec.maps, (inputs[0] as Shape).maps, ...spec.kernel];
    const size = graph.constant('filter/shape', Int32Array.from(shape), [4]);
    const pairs = inputsOf(layer).flatMap((from, to) => from.flatMap((each) => [to, each]));
    const table = graph.constant('filter/connections', Int32Array.from(pairs), [pairs.length / 2, 2]);
    maps = graph.add('filter/ScatterNd', [table, weight, size], shape, { Tindices: INT32 });
  }
  const [to = 0, from = 0, ...sides] = maps.shape;
  const order = graph.constant('filter/order', Int32Array.of(2, 3, 1, 0), [4]);
  return graph.add('filter/Transpose', [maps, order], [...sides, from, to], { Tperm: INT32 });
}
