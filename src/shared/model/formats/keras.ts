import { type Shape, shapeSize } from '../shape.ts';

/** The output of a layer of Keras: vectors, or stacks with the maps last. */
export interface KerasValue {
  readonly name: string;
  /**
   * A layer that doesn't care for order may get the stack itself where the model has the flattened one: Keras flattens maps
   * last, and only the next dense layer's weights need to know.
   */
  readonly shape: Shape;
}

/** Takes the layers of Keras that one layer of a model becomes. */
export interface KerasEmitter {
  /**
   * @param part the name within the model's layer; empty: the layer's own name
   * @param className the name of the class in Keras
   * @param inputs names of layers
   * @returns the layer's name
   */
  add(
    part: string,
    className: string,
    inputs: readonly string[],
    config?: Readonly<Record<string, unknown>>,
    weights?: readonly KerasWeight[],
  ): string;
}

export interface KerasWeight {
  /** In the layer, such as kernel. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export const CHANNELS_LAST = { data_format: 'channels_last' };

/** A convolution's settings that are the same for all. */
export const CONVOLUTION = { ...CHANNELS_LAST, dilation_rate: [1, 1], activation: 'linear' };

/** Each map times a weight, plus a bias. @returns the layer's name */
export function scaledMaps(
  keras: KerasEmitter,
  part: string,
  x: string,
  { weight, bias }: { readonly weight: Float32Array; readonly bias: Float32Array },
): string {
  const maps = weight.length;
  const sizes = { kernel_size: [1, 1], depth_multiplier: 1, strides: [1, 1], padding: 'valid', use_bias: true };
  return keras.add(part, 'DepthwiseConv2D', [x], { ...CONVOLUTION, ...sizes }, [
    { name: 'depthwise_kernel', shape: [1, 1, maps, 1], values: weight },
    { name: 'bias', shape: [maps], values: bias },
  ]);
}

/** `columns` numbers for each value of a stack, from [maps][height][width] to [height][width][maps]. */
export function mapsLast(values: Float32Array, { maps, height, width }: Shape, columns = 1): Float32Array {
  const area = height * width;
  const moved = new Float32Array(values.length);
  for (let i = 0; i < shapeSize({ maps, height, width }); i++) {
    const to = ((i % area) * maps + Math.floor(i / area)) * columns;
    moved.set(values.subarray(i * columns, (i + 1) * columns), to);
  }
  return moved;
}
