import { DatasetError } from '../util/errors.ts';
import { PART_BYTES } from '../wire/messages.ts';
import type { Dataset } from './dataset.ts';
import { digestOf, sha256 } from './digest.ts';
import { elements, idxHeaderBytes, writeIdxHeader } from './idx.ts';
import { MNIST_FILES } from './mnist-files.ts';

/** A data set as one run of bytes: training images and labels, test images and labels. */
export function partsOf({ train, test }: Dataset): Uint8Array[] {
  const bytes = Buffer.concat([train.images, train.labels, test.images, test.labels]);
  const count = Math.ceil(bytes.length / PART_BYTES);
  return Array.from({ length: count }, (_, part) => bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
}

export interface DatasetShape {
  readonly train: number;
  readonly test: number;
  readonly side: number;
}

/**
 * A data set from its bytes, checked by its digest.
 * @throws DatasetError where they are others
 */
export function datasetFrom(bytes: Uint8Array, { train, test, side }: DatasetShape, digest: string): Dataset {
  const shapes = [[train, side, side], [train], [test, side, side], [test]];
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
    throw new DatasetError(`The data set that came has the digest ${actual}, not ${digest}, which the run has.`);
  }
  const [images, labels, testImages, testLabels] = files.map(({ data }) => data) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  return {
    name: 'mnist',
    train: { images, labels, count: train },
    test: { images: testImages, labels: testLabels, count: test },
    ...{ width: side, height: side, sha256: actual },
  };
}
