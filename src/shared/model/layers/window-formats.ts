// Windows that slide over maps, in other systems.
import { CHANNELS_FIRST, type GraphEmitter, type GraphValue, INT32, stackOf } from '../formats/graph.ts';
import { CHANNELS_LAST, type KerasEmitter } from '../formats/keras.ts';
import type { OnnxAttributes } from '../formats/onnx.ts';
import type { Tensor, TensorOperations } from '../formats/tensorflow.ts';
import type { Border, Shape } from '../shape.ts';
import type { PlacedLayer } from './placed-layer.ts';
import { borderOf, type Windows } from './windows.ts';

/** The padding that windows reach: what lies behind the last of them is left out. */
export function usedBorder({ size, stride, padding }: Windows, { inputs: [input], output }: PlacedLayer): Border {
  const { height, width } = input as Shape;
  const { top, left } = borderOf({ size, stride, padding }, input as Shape);
  const behind = (before: number, side: number, count: number, axis: 0 | 1): number =>
    Math.max((count - 1) * stride[axis] + size[axis] - before - side, 0);
  return { top, left, bottom: behind(top, height, output.height, 0), right: behind(left, width, output.width, 1) };
}

export function isPadded({ top, left, bottom, right }: Border): boolean {
  return top + left + bottom + right > 0;
}

/** The padding by a word that TensorFlow knows; undefined if maps must be padded before. */
export function paddingWord(windows: Windows, layer: PlacedLayer): 'valid' | 'same' | undefined {
  if (!isPadded(usedBorder(windows, layer))) return 'valid';
  return windows.padding === 'same' ? 'same' : undefined;
}

export function tensorPadded(tf: TensorOperations, x: Tensor, { top, left, bottom, right }: Border, value = 0): Tensor {
  return tf.pad(
    x,
    [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    value,
  );
}

export function onnxWindows(windows: Windows, layer: PlacedLayer): OnnxAttributes {
  const { top, left, bottom, right } = usedBorder(windows, layer);
  return { kernel_shape: windows.size, strides: windows.stride, pads: [top, left, bottom, right] };
}

/** @returns the name of the layer with zeros around the maps */
export function kerasPadded(
  keras: KerasEmitter,
  part: string,
  x: string,
  { top, left, bottom, right }: Border,
): string {
  const padding = [
    [top, bottom],
    [left, right],
  ];
  return keras.add(part, 'ZeroPadding2D', [x], { padding, ...CHANNELS_LAST });
}

export function graphPadded(graph: GraphEmitter, x: GraphValue, border: Border, value?: number): GraphValue {
  const { top, left, bottom, right } = border;
  const [, maps = 0, height = 0, width = 0] = x.shape;
  const sides = Int32Array.of(0, 0, 0, 0, top, bottom, left, right);
  const paddings = graph.constant('padded/paddings', sides, [4, 2]);
  const shape = stackOf({ maps, height: top + height + bottom, width: left + width + right });
  if (value === undefined) return graph.add('padded/Pad', [x, paddings], shape, { Tpaddings: INT32 });
  const filling = graph.constant('padded/value', Float32Array.of(value), []);
  return graph.add('padded/PadV2', [x, paddings, filling], shape, { Tpaddings: INT32 });
}

/** TensorFlow's attributes of windows over [batch][maps][height][width]. @param padding a word of `paddingWord` */
export function graphWindows({ stride: [rows, columns] }: Windows, padding = 'valid') {
  return { ...CHANNELS_FIRST, strides: [1, 1, rows, columns], padding: padding.toUpperCase() };
}
