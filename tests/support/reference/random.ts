import type { TensorLayout } from '#src/shared/model/layers/layer.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import type { ReferenceSample } from './reference.ts';

/** A stream of uniform numbers in [-1, 1): a 32-bit Weyl sequence mixed by MurmurHash3's finalizer. */
export function uniformStream(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let bits = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
    return ((bits ^ (bits >>> 16)) | 0) / 2 ** 31;
  };
}

/**
 * Weights [parameters] for tests: He-uniform by fan-in, coefficients 0.2 to 0.3. Unlike a run's initial weights they
 * have nonzero biases, so that every term of a gradient takes part.
 */
export function randomWeights(layout: ModelLayout, seed: number): Float32Array {
  const uniform = uniformStream(seed);
  const weights = new Float32Array(layout.parameters);
  for (const tensor of layout.tensors) {
    for (let i = 0; i < tensor.size; i++) weights[tensor.offset + i] = element(tensor, i, uniform());
  }
  return weights;
}

function element(tensor: TensorLayout, index: number, uniform: number): number {
  if (tensor.name.endsWith('.coefficient')) return 0.25 + 0.05 * uniform;
  const fanIn = tensor.fanIn[Math.floor((index * tensor.fanIn.length) / tensor.size)];
  return fanIn === undefined ? 0.1 * uniform : Math.sqrt(6 / fanIn) * uniform;
}

/** Pixels to shift by along one axis, as far as the padding allows. */
export function randomShift(layout: ModelLayout, uniform: () => number): number {
  const { padding } = layout.spec.input;
  return Math.floor(((uniform() + 1) / 2) * (2 * padding + 1)) - padding;
}

/** Samples with ink up to the edges of the image, varied labels and shifts. */
export function randomSamples(layout: ModelLayout, seed: number, count: number): ReferenceSample[] {
  const uniform = uniformStream(seed);
  const { input, head } = layout.spec;
  return Array.from({ length: count }, (_, i) => ({
    image: Uint8Array.from({ length: input.height * input.width }, () => Math.max(0, Math.round(255 * uniform()))),
    label: (3 * i + 1) % head.classes,
    shift: [randomShift(layout, uniform), randomShift(layout, uniform)] as const,
  }));
}
