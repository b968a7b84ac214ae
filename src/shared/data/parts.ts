import { DatasetError } from '../util/errors.ts';
import { PART_BYTES } from '../wire/messages.ts';
import type { Dataset } from './dataset.ts';
import { digestOf, sha256 } from './digest.ts';
import { elements, idxHeaderBytes, writeIdxHeader } from './idx.ts';
import { MNIST_FILES, MNIST_SHAPE } from './mnist-files.ts';
import { nameOf } from './registry.ts';

/** A data set as one run of bytes: training images and labels, test images and labels. */
export function partsOf({ train, test }: Dataset): Uint8Array[] {
  const bytes = Buffer.concat([train.images, train.labels, test.images, test.labels]);
  const count = Math.ceil(bytes.length / PART_BYTES);
  return Array.from({ length: count }, (_, part) => bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
}

/** Bytes of the parts of a data set of MNIST's shape. */
export function bytesOfParts({ train, test }: SampleCounts): number {
  const { height, width } = MNIST_SHAPE;
  return (train + test) * (height * width + 1);
}

/** The numbers of samples of MNIST, and of every set that a run can have at most. */
export const MNIST_COUNTS: SampleCounts = { train: 60_000, test: 10_000 };

/** Bytes of memory that a data set of MNIST's shape takes at most: as its four files, each with its header, at aligned places. */
export function bytesHeld(counts: SampleCounts): number {
  return bytesOfParts(counts) + 4 * 128;
}

/** Numbers of samples. */
export interface SampleCounts {
  readonly train: number;
  readonly test: number;
}

/**
 * A data set of MNIST's shape from its bytes, checked by its digest.
 * @throws DatasetError if the digest is another one
 */
export function datasetFrom(bytes: Uint8Array, { train, test }: SampleCounts, digest: string): Dataset {
  const { height, width } = MNIST_SHAPE;
  const shapes = [[train, height, width], [train], [test, height, width], [test]];
  let begin = 0;
  const files = shapes.map((shape, i) => {
    const data = bytes.subarray(begin, begin + elements(shape));
    begin += data.length;
    const file = new Uint8Array(idxHeaderBytes(shape.length) + elements(shape));
    writeIdxHeader(file, shape);
    file.set(data, idxHeaderBytes(shape.length));
    return { data, name: MNIST_FILES[i as 0 | 1 | 2 | 3].name, sha256: sha256(file) };
  });
  const actual = digestOf(files);
  if (begin !== bytes.length || actual !== digest) {
    throw new DatasetError(`The data set that was received has the digest ${actual}, but the run has ${digest}.`);
  }
  const [images, labels, testImages, testLabels] = files.map(({ data }) => data) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  return {
    name: nameOf(actual) ?? 'other',
    train: { images, labels, count: train },
    test: { images: testImages, labels: testLabels, count: test },
    ...MNIST_SHAPE,
    sha256: actual,
  };
}
