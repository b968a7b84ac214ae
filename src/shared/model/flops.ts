import { type ModelLayout, shapeSize } from './layout.ts';

/**
 * Floating-point operations of one sample's forward and backward pass in the fused form (docs/kernel.md): a
 * multiply-and-add counts as two; work that is done once a step, and activations, don't count.
 */
export function flopsPerSample(layout: ModelLayout): number {
  let macs = 0;
  for (const [i, { spec, input, output, tensors, connections }] of layout.layers.entries()) {
    const weights = tensors[0]?.size ?? 0;
    // Forward, weight gradient and, but for the first layer, input gradient.
    const passes = i === 0 ? 2 : 3;
    // After the subsampling a quarter of the positions are left.
    if (spec.kind === 'conv') macs += (passes * weights * output.height * output.width) / 4;
    if (spec.kind === 'dense' || spec.kind === 'softmax') macs += passes * shapeSize(input) * shapeSize(output);
    if (spec.kind === 'rbf') macs += 2 * connections;
  }
  return 2 * macs;
}
