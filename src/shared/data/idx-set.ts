import { Readable } from 'node:stream';
import type { Contents, Split } from './dataset.ts';
import { elements, idxHeaderBytes, parseIdx } from './idx.ts';
import { MNIST_COUNTS, MNIST_FILES, MNIST_SHAPE } from './mnist-files.ts';
import { imagesShape, publishedSet } from './published.ts';
import type { PublishedSet } from './published-set.ts';
import type { DataSource } from './source.ts';
import { unpackInto } from './unpack.ts';

/** A set that is published in four packed files of MNIST's names, of as many images of the same size. */
export interface IdxSet extends Pick<PublishedSet, 'name' | 'title' | 'licence' | 'mirrors' | 'classNames'> {
  /** Bytes and SHA-256 of the packed files: training images and labels, then test images and labels. */
  readonly files: readonly (readonly [bytes: number, sha256: string])[];
}

export function idxSet({ files, ...set }: IdxSet): DataSource {
  const { height, width } = MNIST_SHAPE;
  return publishedSet({
    ...set,
    shape: imagesShape([1, height, width], set.classNames, [MNIST_COUNTS.train, MNIST_COUNTS.test]),
    files: files.map(([bytes, sha256], i) => ({ name: `${MNIST_FILES[i as 0].name}.gz`, bytes, sha256 })),
    read: readIdxFiles,
  });
}

async function readIdxFiles(bodies: readonly Buffer[]): Promise<Pick<Contents, 'train' | 'test'>> {
  const arrays: Uint8Array[] = [];
  for (const [i, { name, shape }] of MNIST_FILES.entries()) {
    const bytes = new Uint8Array(idxHeaderBytes(shape.length) + elements(shape));
    const file = await unpackInto(bytes, Readable.from([bodies[i]]), true);
    arrays.push(parseIdx(file, name).data);
  }
  const splitOf = (images: number): Split => {
    const [inputs, labels] = arrays.slice(images) as [Uint8Array, Uint8Array];
    return { inputs, targets: Uint16Array.from(labels), count: labels.length };
  };
  return { train: splitOf(0), test: splitOf(2) };
}
