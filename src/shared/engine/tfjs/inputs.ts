import { fusionOf } from '../../model/fusions/registry.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { isVector, type Shape, shapeSize } from '../../model/shape.ts';
import type { SampleBatch } from '../backend.ts';

/** [count][height][width][maps], or [count][units] of vectors. */
export function tensorShape(count: number, shape: Shape): number[] {
  return isVector(shape) ? [count, shape.maps] : [count, shape.height, shape.width, shape.maps];
}

/** What the first layers have made of the samples when they are decoded. */
export interface Frame {
  readonly shape: Shape;
  /** Zeros on every side. */
  readonly padding: number;
}

/** A fused program moves pictures into the padding in front of it, so that padding comes first here too. */
export function frameOf(layout: ModelLayout, { inputs }: Pick<SampleBatch, 'inputs'>): Frame {
  const padding = inputs instanceof Uint8Array ? (fusionOf(layout)?.padding(layout) ?? 0) : 0;
  const { maps, height, width } = layout.input;
  return { padding, shape: { maps, height: height + 2 * padding, width: width + 2 * padding } };
}

/** The samples [count][height][width][maps] of a frame, shifted; bytes are scaled to 0..1. */
export function decode(own: Shape, { inputs, indices, shifts }: SampleBatch, { shape, padding }: Frame): Float32Array {
  const { maps, height, width } = shape;
  const [size, framed] = [shapeSize(own), shapeSize(shape)];
  const scale = inputs instanceof Uint8Array ? 255 : 1;
  const values = new Float32Array(indices.length * framed);
  for (const [sample, index] of indices.entries()) {
    const [down, right] = [padding + (shifts[2 * sample] as number), padding + (shifts[2 * sample + 1] as number)];
    for (let place = 0; place < size; place++) {
      const [map, y] = [Math.floor(place / (own.height * own.width)), Math.floor(place / own.width) % own.height];
      const x = place % own.width;
      const [row, column] = [y + down, x + right];
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      const to = sample * framed + (row * width + column) * maps + map;
      values[to] = (inputs[index * size + place] as number) / scale;
    }
  }
  return values;
}

/** [count][outputs]: the samples' numbers, or 1 at their classes and 0 elsewhere. */
export function decodeTargets({ classes }: ModelLayout, { targets, indices }: SampleBatch): Float32Array {
  const values = new Float32Array(indices.length * classes);
  for (const [sample, index] of indices.entries()) {
    const first = sample * classes;
    if (targets instanceof Float32Array) values.set(targets.subarray(index * classes, (index + 1) * classes), first);
    else values[first + (targets[index] as number)] = 1;
  }
  return values;
}
