import type { TensorLayout } from '#src/shared/model/layers/placed-layer.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { shapeSize } from '#src/shared/model/shape.js';
import type { ReferenceSample } from './flat.ts';

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
 * Weights [parameters] for tests: He-uniform by fan-in, others around their first values. Unlike a run's initial weights they
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

function element({ fanIn, fill, size }: TensorLayout, index: number, uniform: number): number {
  const inputs = fanIn[Math.floor((index * fanIn.length) / size)];
  if (inputs !== undefined) return Math.sqrt(6 / inputs) * uniform;
  return fill === 0 ? 0.1 * uniform : fill * (1 + 0.2 * uniform);
}

const MAX_SHIFT = 2;

/** Pixels to shift by along one axis. */
export function randomShift(uniform: () => number): number {
  return Math.floor(((uniform() + 1) / 2) * (2 * MAX_SHIFT + 1)) - MAX_SHIFT;
}

/**
 * Samples with ink up to a margin as wide as the widest shift, varied labels and shifts. (LeNet-5's fused path keeps ink
 * that leaves the image in the padding; layer by layer it is lost.)
 */
export function randomSamples(layout: ModelLayout, seed: number, count: number): ReferenceSample[] {
  const uniform = uniformStream(seed);
  const { height, width } = layout.input;
  const isInside = (place: number, length: number) => place >= MAX_SHIFT && place < length - MAX_SHIFT;
  const ink = (_: unknown, i: number) => {
    const value = Math.max(0, Math.round(255 * uniform()));
    return isInside(Math.floor(i / width) % height, height) && isInside(i % width, width) ? value : 0;
  };
  return Array.from({ length: count }, (_, i) => ({
    image: Uint8Array.from({ length: shapeSize(layout.input) }, ink),
    label: (3 * i + 1) % layout.classes,
    shift: [randomShift(uniform), randomShift(uniform)] as const,
  }));
}
