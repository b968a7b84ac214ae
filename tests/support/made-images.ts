import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset, Split } from '#src/shared/data/dataset.js';
import { MNIST_SHAPE } from '#src/shared/data/mnist-files.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { PhiloxStream, PURPOSE } from '#src/shared/util/philox.js';

const { height: SIDE, classes: CLASSES } = MNIST_SHAPE;
const BLOB = { rows: 6, columns: 4 } as const;

/**
 * A data set that can be learnt and is made of integers alone, so that it is the same everywhere: a class is the place
 * of a bright blob, two rows of five places, among noise. One image in eight has its blob anywhere, so that losses and
 * gradients don't vanish.
 */
export function madeDataset(train: number, test: number): Dataset {
  return {
    name: 'mnist',
    train: madeSplit(1, train),
    test: madeSplit(2, test),
    ...MNIST_SHAPE,
    sha256: '0'.repeat(64),
  };
}

/** The same as a packed file, which programs read in no time; making the synthetic digits takes each of them seconds. @returns its path */
export function madeFile(folder: string, train: number, test: number): string {
  const file = join(folder, 'made.safetensors');
  writeFileSync(file, Buffer.concat(packedPieces(madeDataset(train, test))));
  return file;
}

function madeSplit(seed: number, count: number): Split {
  const stream = new PhiloxStream(seed, PURPOSE.permutation);
  const inputs = new Uint8Array(count * SIDE * SIDE);
  const targets = Uint16Array.from({ length: count }, () => stream.below(CLASSES));
  for (const [i, label] of targets.entries()) {
    const image = inputs.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE);
    // Three pixels in four are background, as in handwriting.
    for (let p = 0; p < image.length; p++) image[p] = stream.below(4) === 0 ? stream.below(96) : 0;
    drawBlob(image, stream.below(8) === 0 ? stream.below(CLASSES) : label, stream);
  }
  return { inputs, targets, count };
}

function drawBlob(image: Uint8Array, label: number, stream: PhiloxStream): void {
  const top = 4 + 14 * Math.floor(label / 5);
  const left = 2 + 5 * (label % 5);
  for (let row = top; row < top + BLOB.rows; row++) {
    for (let column = left; column < left + BLOB.columns; column++) {
      image[row * SIDE + column] = 160 + stream.below(96);
    }
  }
}
