/** A value of TensorFlow.js: images [count][height][width][maps], or vectors [count][units]. */
export interface Tensor {
  readonly shape: number[];
  dataSync(): Float32Array;
  dispose(): void;
}

/** The operations that layers use. Written out here, since the package is optional. */
export interface TensorOperations {
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  conv2d(x: Tensor, filter: Tensor, strides: number, pad: 'valid'): Tensor;
  avgPool(x: Tensor, filterSize: number, strides: number, pad: 'valid'): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor;
  transpose(x: Tensor, permutation: readonly number[]): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  concat(tensors: readonly Tensor[], axis: number): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  square(x: Tensor): Tensor;
  neg(x: Tensor): Tensor;
  relu(x: Tensor): Tensor;
  tanh(x: Tensor): Tensor;
  sum(x: Tensor, axis?: number): Tensor;
  logSoftmax(logits: Tensor): Tensor;
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
