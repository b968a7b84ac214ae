import type { Emit, Value } from '../layers/emit.ts';
import type { Macs } from '../layers/layer.ts';
import type { LayerLayout } from '../layers/placed-layer.ts';
import type { ModelLayout } from '../layout.ts';

/**
 * Layers that are computed as one, by operations of their own. Whether a fusion is used is decided by the spec alone, never by the
 * machine, since its sums are taken in another order than the layers' own.
 */
export interface Fusion {
  /** The model's layers from the first to the last, images to outputs. */
  matches(layout: ModelLayout): boolean;
  /** Pixels of the zero padding that its first layer adds on every side: a shift moves pictures into it, and nothing of them is lost. */
  padding(layout: ModelLayout): number;
  /** A layer's multiplications with additions, when it is computed so. */
  macs(layer: LayerLayout): Macs;
  /** Allocates the value that the head reads, then emits the forward pass. */
  forward(emit: Emit, layout: ModelLayout): Value;
  /** @param delta the output's; may be overwritten */
  backward(emit: Emit, layout: ModelLayout, output: Value, delta: Value): void;
}
