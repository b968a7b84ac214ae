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
}
