import type { InputSpec } from '../../model/spec.ts';
import type { SampleBatch } from '../backend.ts';

/** The samples' pixels [count][height][width], scaled to 0..1, shifted and zero-padded. */
export function decode(input: InputSpec, { images, indices, shifts }: SampleBatch): Float32Array {
  const { height, width, padding } = input;
  const stride = width + 2 * padding;
  const plane = stride * (height + 2 * padding);
  const pixels = new Float32Array(indices.length * plane);
  for (const [sample, index] of indices.entries()) {
    const down = shifts[2 * sample] as number;
    const right = shifts[2 * sample + 1] as number;
    let from = index * height * width;
    for (let row = 0; row < height; row++) {
      const to = sample * plane + (padding + down + row) * stride + padding + right;
      for (let column = 0; column < width; column++) pixels[to + column] = (images[from++] as number) / 255;
    }
  }
  return pixels;
}

/** 1 at each sample's class, else 0: [count][columns]. */
export function oneHot({ labels, indices }: SampleBatch, columns: number): Float32Array {
  const hot = new Float32Array(indices.length * columns);
  for (const [sample, index] of indices.entries()) hot[sample * columns + (labels[index] as number)] = 1;
  return hot;
}
