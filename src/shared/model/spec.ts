import type { HeadSpec } from './heads/head.ts';
import type { LayerSpec } from './layers/placed-layer.ts';
import type { Shape } from './shape.ts';

/**
 * A model is data: named layers, each with the layers that it reads. Shapes, parameters, operations and exports are derived
 * from it (layout.ts); the kernel, the reference and other backends read the same spec.
 */
export interface ModelSpec {
  readonly name: string;
  /** Samples [maps][height][width]. */
  readonly input: Shape;
  readonly layers: readonly LayerSpec[];
  readonly head: HeadSpec;
  /** What weight decay falls on: weights alone, or biases and norms too. */
  readonly decay: 'weights' | 'all';
  /** The bounds of initial weights; absent: `he-uniform`. */
  readonly initialization?: Initialization;
}

/**
 * Kernels and dense weights begin uniform in [-a, a): a = sqrt(6 / fan-in) (K. He et al., "Delving deep into rectifiers",
 * ICCV 2015), or sqrt(1 / fan-in), which is the default of PyTorch's layers.
 */
export type Initialization = 'he-uniform' | 'pytorch-uniform';
