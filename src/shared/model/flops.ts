import { fusionOf } from './fusions/registry.ts';
import { kindOf } from './kinds.ts';
import type { ModelLayout } from './layout.ts';

/**
 * Floating-point operations of one sample's forward and backward pass (docs/kernel.md): a multiply-and-add counts as two; work
 * that is done once a step, and layers without weights, don't count.
 */
export function flopsPerSample(layout: ModelLayout): number {
  const { layers } = layout;
  const fusion = fusionOf(layout);
  // Places up to which nothing is trained: nobody needs a delta there.
  const isUntrained = new Map([[-1, true]]);
  let macs = 0;
  for (const layer of layers) {
    const { forward, input, weight } = fusion?.macs(layer) ?? kindOf(layer.spec).macs(layer);
    const isFirst = layer.sources.every((source) => isUntrained.get(source) === true);
    isUntrained.set(layer.place, isFirst && (layer.frozen || layer.parameters === 0));
    macs += forward + (layer.frozen ? 0 : weight) + (isFirst ? 0 : input);
  }
  return 2 * macs;
}
