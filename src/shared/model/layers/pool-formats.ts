// Pooling in other systems. Padding takes part in neither maximum nor mean.
import { type GraphValue, stackOf } from '../formats/graph.ts';
import { CHANNELS_LAST, type KerasEmitter, type KerasValue } from '../formats/keras.ts';
import type { Tensor } from '../formats/tensorflow.ts';
import type { Shape } from '../shape.ts';
import type { Formats } from './layer.ts';
import type { LayerLayout, LayerSpec, PlacedLayer } from './placed-layer.ts';
import {
  graphPadded,
  graphWindows,
  kerasPadded,
  onnxWindows,
  paddingWord,
  tensorPadded,
  usedBorder,
} from './window-formats.ts';
import type { Windows } from './windows.ts';

/** Below every float32 that training gives, in the place of minus infinity, which times 0 is no number. */
const LOWEST = -3e38;

/** @param windowsOf a layer's windows */
export function maxPoolFormats<S extends LayerSpec>(windowsOf: (spec: S) => Windows): Formats<S, never> {
  return {
    tfjs(tf, layer, [x]) {
      const windows = windowsOf(layer.spec);
      const padding = paddingWord(windows, layer);
      const input = x as Tensor;
      const padded = padding === undefined ? tensorPadded(tf, input, usedBorder(windows, layer), LOWEST) : input;
      return tf.maxPool(padded, windows.size, windows.stride, padding ?? 'valid');
    },
    onnx: (graph, layer, [x]) => graph.add('', 'MaxPool', [x as string], onnxWindows(windowsOf(layer.spec), layer)),
    keras(keras, layer, [x]) {
      const windows = windowsOf(layer.spec);
      const padding = paddingWord(windows, layer);
      const { name } = x as KerasValue;
      const input = padding === undefined ? kerasPaddedByLowest(keras, name, windows, layer) : name;
      return keras.add('', 'MaxPooling2D', [input], kerasWindows(windows, padding));
    },
    graph(graph, layer, [x]) {
      const windows = windowsOf(layer.spec);
      const padding = paddingWord(windows, layer);
      const input = x as GraphValue;
      const padded = padding === undefined ? graphPadded(graph, input, usedBorder(windows, layer), LOWEST) : input;
      return graph.add('MaxPool', [padded], stackOf(layer.output), {
        ksize: ksize(windows),
        ...graphWindows(windows, padding),
      });
    },
  };
}

/** @param windowsOf a layer's windows */
export function averagePoolFormats<S extends LayerSpec>(
  windowsOf: (layer: LayerLayout<S>) => Windows,
): Formats<S, never> {
  return {
    tfjs(tf, layer, [x]) {
      const windows = windowsOf(layer);
      const padding = paddingWord(windows, layer);
      const { size, stride } = windows;
      if (padding !== undefined) return tf.avgPool(x as Tensor, size, stride, padding);
      const padded = tensorPadded(tf, x as Tensor, usedBorder(windows, layer));
      const { height, width } = layer.output;
      return tf.mul(
        tf.avgPool(padded, size, stride, 'valid'),
        tf.tensor(factors(windows, layer), [1, height, width, 1]),
      );
    },
    onnx(graph, layer, [x]) {
      const attributes = { ...onnxWindows(windowsOf(layer), layer), count_include_pad: 0 };
      return graph.add('', 'AveragePool', [x as string], attributes);
    },
    keras(keras, layer, [x]) {
      const windows = windowsOf(layer);
      const padding = paddingWord(windows, layer);
      const { name } = x as KerasValue;
      if (padding !== undefined) return keras.add('', 'AveragePooling2D', [name], kerasWindows(windows, padding));
      const padded = kerasPadded(keras, 'padded', name, usedBorder(windows, layer));
      const means = keras.add('means', 'AveragePooling2D', [padded], kerasWindows(windows));
      const [rows, columns] = axisFactors(windows, layer);
      return kerasScaled(keras, '', kerasScaled(keras, 'rows', means, 1, rows), 2, columns);
    },
    graph(graph, layer, [x]) {
      const windows = windowsOf(layer);
      const padding = paddingWord(windows, layer);
      const shape = stackOf(layer.output);
      const pool = (input: GraphValue): GraphValue =>
        graph.add('AvgPool', [input], shape, { ksize: ksize(windows), ...graphWindows(windows, padding) });
      if (padding !== undefined) return pool(x as GraphValue);
      const means = pool(graphPadded(graph, x as GraphValue, usedBorder(windows, layer)));
      const { height, width } = layer.output;
      const all = graph.constant('real/factors', factors(windows, layer), [1, 1, height, width]);
      return graph.add('real/Mul', [means, all], shape);
    },
  };
}

function ksize({ size }: Windows): number[] {
  return [1, 1, ...size];
}

export function kerasWindows({ size, stride }: Windows, padding = 'valid') {
  return { pool_size: size, strides: stride, padding, ...CHANNELS_LAST };
}

/** Zeros around a map, plus what is 0 inside and the lowest value around it. */
function kerasPaddedByLowest(keras: KerasEmitter, x: string, windows: Windows, layer: PlacedLayer): string {
  const border = usedBorder(windows, layer);
  const ones = keras.add('ones', 'Rescaling', [x], { scale: 0, offset: 1 });
  const inside = kerasPadded(keras, 'inside', ones, border);
  const lowest = keras.add('lowest', 'Rescaling', [inside], { scale: -LOWEST, offset: LOWEST });
  return keras.add('padded', 'Add', [kerasPadded(keras, 'zeros', x, border), lowest]);
}

/** Each row, or column, times a factor: batch normalization along that axis. */
function kerasScaled(keras: KerasEmitter, part: string, x: string, axis: 1 | 2, values: Float32Array): string {
  const shape = [values.length];
  const [zeros, ones] = [new Float32Array(values.length), new Float32Array(values.length).fill(1)];
  return keras.add(part, 'BatchNormalization', [x], { axis, epsilon: 0, momentum: 1, trainable: false }, [
    { name: 'gamma', shape, values },
    { name: 'beta', shape, values: zeros },
    { name: 'moving_mean', shape, values: zeros },
    { name: 'moving_variance', shape, values: ones },
  ]);
}

/** What a mean over padding and all becomes the mean over real positions by: a factor a row, and a factor a column. */
function axisFactors(windows: Windows, layer: PlacedLayer): readonly [rows: Float32Array, columns: Float32Array] {
  const { height, width } = layer.inputs[0] as Shape;
  const { top, left } = usedBorder(windows, layer);
  const alongAxis = (axis: 0 | 1, padding: number, side: number, count: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => {
      const [size, first] = [windows.size[axis], i * windows.stride[axis] - padding];
      return size / (Math.min(first + size, side) - Math.max(first, 0));
    });
  return [alongAxis(0, top, height, layer.output.height), alongAxis(1, left, width, layer.output.width)];
}

/** The products of both, [height][width]. */
function factors(windows: Windows, layer: PlacedLayer): Float32Array {
  const [rows, columns] = axisFactors(windows, layer);
  return Float32Array.from([...rows].flatMap((row) => [...columns].map((column) => row * column)));
}
