import type { Tensor, TensorOperations } from '../../model/formats/tensorflow.ts';

/**
 * What Lockstep uses of @tensorflow/tfjs-node. Written out here, since the package is optional: without it the build must
 * find every type, and nothing may be imported.
 */
export interface Tfjs extends TensorOperations {
  readonly version: Readonly<Record<string, string>>;
  getBackend(): string;
  /** The memory of this thread. */
  memory(): { readonly numTensors: number };
  /** Disposes of every tensor that `work` makes and neither keeps nor returns. */
  tidy<T>(work: () => T): T;
  keep(tensor: Tensor): Tensor;
  valueAndGrads(
    loss: (...inputs: Tensor[]) => Tensor,
  ): (inputs: readonly Tensor[]) => { readonly value: Tensor; readonly grads: readonly Tensor[] };
}
