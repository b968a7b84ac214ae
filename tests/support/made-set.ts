import { createHash } from 'node:crypto';
import { type DataFile, MNIST_FILES } from '#src/shared/data/mnist-files.js';

export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

export function idx(shape: readonly number[], salt: number): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((side, i) => {
    header.writeUInt32BE(side, 4 + 4 * i);
  });
  const size = shape.reduce((a, b) => a * b, 1);
  return Buffer.concat([header, Buffer.from(Array.from({ length: size }, (_, i) => (i * 37 + salt) % 256))]);
}

/** An IDX file of labels. */
export function idxLabels(...labels: readonly number[]): Buffer {
  return Buffer.concat([idx([labels.length], 0).subarray(0, 8), Buffer.from(labels)]);
}

/** A small made-up set under MNIST's names: the bytes of the four files, and the table that describes them. */
export const BYTES = [idx([5, 3, 2], 1), idxLabels(0, 1, 2, 0, 1), idx([4, 3, 2], 3), idxLabels(2, 1, 0, 1)] as const;
const SHAPES = [[5, 3, 2], [5], [4, 3, 2], [4]] as const;
const describe = (i: 0 | 1 | 2 | 3): DataFile => ({
  name: MNIST_FILES[i].name,
  sha256: sha256(BYTES[i]),
  shape: SHAPES[i],
});
export const FILES = [describe(0), describe(1), describe(2), describe(3)] as const;
