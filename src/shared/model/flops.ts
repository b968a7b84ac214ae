import { kindOf } from './kinds.ts';
import type { ModelLayout } from './layout.ts';

/**
 * Floating-point operations of one sample's forward and backward pass in the fused form (docs/kernel.md): a
 * multiply-and-add counts as two; work that is done once a step, and activations, don't count.
 */
export function flopsPerSample({ layers }: ModelLayout): number {
  let macs = 0;
  for (const [i, layer] of layers.entries()) {
    const { forward, input, weight } = kindOf(layer.spec).macs(layer);
    macs += forward + weight + (i === 0 ? 0 : input);
  }
  return 2 * macs;
}
