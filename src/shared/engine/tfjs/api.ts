/**
 * What Lockstep uses of @tensorflow/tfjs-node. Written out here, since the package is optional: without it the build must
 * find every type, and nothing may be imported.
 */
export interface Tensor {
  readonly shape: number[];
  dataSync(): Float32Array;
  dispose(): void;
}

export interface Tfjs {
  readonly version: Readonly<Record<string, string>>;
  getBackend(): string;
  /** The memory of this thread. */
  memory(): { readonly numTensors: number };
  /** Disposes of every tensor that `work` makes and neither keeps nor returns. */
  tidy<T>(work: () => T): T;
  keep(tensor: Tensor): Tensor;
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  valueAndGrads(
    loss: (...inputs: Tensor[]) => Tensor,
  ): (inputs: readonly Tensor[]) => { readonly value: Tensor; readonly grads: readonly Tensor[] };
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
