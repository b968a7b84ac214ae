import type { Pair } from '../shape.ts';

/** A value of TensorFlow.js: stacks [count][height][width][maps], or vectors [count][units]. */
export interface Tensor {
  readonly shape: number[];
  dataSync(): Float32Array;
  dispose(): void;
}

type Padding = 'valid' | 'same';

/** Functions of single values. Some of them no layer has used: an activation is declared by its own file alone. */
type Unary = 'elu' | 'erf' | 'exp' | 'neg' | 'relu' | 'selu' | 'sigmoid' | 'softplus' | 'sqrt' | 'square' | 'tanh';

/** The operations that layers use. Written out here, since the package is optional. */
export interface TensorOperations extends Readonly<Record<Unary, (x: Tensor) => Tensor>> {
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  zeros(shape: readonly number[]): Tensor;
  conv2d(x: Tensor, filter: Tensor, strides: Pair, pad: Padding): Tensor;
  maxPool(x: Tensor, filterSize: Pair, strides: Pair, pad: Padding): Tensor;
  avgPool(x: Tensor, filterSize: Pair, strides: Pair, pad: Padding): Tensor;
  pad(x: Tensor, paddings: readonly (readonly [before: number, behind: number])[], value?: number): Tensor;
  slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor;
  transpose(x: Tensor, permutation: readonly number[]): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  concat(tensors: readonly Tensor[], axis: number): Tensor;
  add(a: Tensor, b: Tensor | number): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  div(a: Tensor, b: Tensor): Tensor;
  leakyRelu(x: Tensor, slope: number): Tensor;
  sum(x: Tensor, axis?: number): Tensor;
  mean(x: Tensor, axes: number | readonly number[], keepDims?: boolean): Tensor;
  logSoftmax(logits: Tensor): Tensor;
}

/** What layers that train otherwise than they evaluate need to know of a pass. */
export interface TensorPass {
  readonly training: boolean;
  /** The run's seed. */
  readonly seed: number;
  /** [count]: the samples' places in the stream of samples. */
  readonly positions: readonly number[];
  /** Takes what the samples sum up in a state tensor. */
  observe(tensor: { readonly offset: number }, sums: Tensor): void;
}

/** A tensor in another order, with zeros for what the model doesn't have. */
export interface Rearranged {
  readonly shape: readonly number[];
  /** The place of each element of the model's order. */
  readonly places: Int32Array;
}

export function rearrange({ shape, places }: Rearranged, values: Float32Array): Float32Array {
  const rearranged = new Float32Array(shape.reduce((product, side) => product * side, 1));
  for (let i = 0; i < places.length; i++) rearranged[places[i] as number] = values[i] as number;
  return rearranged;
}

/**
 * A value for each map, in a shape that fits stacks: what goes to all positions goes first to samples, then to rows, and so does
 * the sum of their gradients, which loses less by rounding.
 */
export function spreadOver(tf: TensorOperations, x: Tensor, perMap: Tensor): Tensor {
  const [count = 0, height = 0, , maps] = x.shape;
  if (maps === undefined) return perMap;
  return tf.add(tf.zeros([count, height, 1, maps]), tf.add(tf.zeros([count, 1, 1, maps]), perMap));
}

/** Each map times a weight, plus a bias. */
export function scaledMaps(
  tf: TensorOperations,
  x: Tensor,
  { weight, bias }: { readonly weight: Tensor; readonly bias: Tensor },
): Tensor {
  return tf.add(tf.mul(x, spreadOver(tf, x, weight)), spreadOver(tf, x, bias));
}

/** Values brought to mean 0 and variance 1 over some axes. */
export function normalized(tf: TensorOperations, x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const centered = tf.sub(x, tf.mean(x, axes, true));
  const variance = tf.mean(tf.square(centered), axes, true);
  return tf.div(centered, tf.sqrt(tf.add(variance, epsilon)));
}
