import type { Contents } from './dataset.ts';
import { digestOf, sha256 } from './digest.ts';
import { idxHeaderBytes, writeIdxHeader } from './idx.ts';
import { type DataFile, MNIST_FILES } from './mnist-files.ts';

/** The digest of four IDX files of these samples, named as MNIST's. */
export function idxDigest(contents: Omit<Contents, 'classNames'>): string {
  return digestOf(idxFiles(contents));
}

/** The names of those files, and the digest of each. */
export function idxFiles({
  train,
  test,
  height,
  width,
}: Omit<Contents, 'classNames'>): Pick<DataFile, 'name' | 'sha256'>[] {
  const shapes = [[train.count, height, width], [train.count], [test.count, height, width], [test.count]];
  return bytesOfSplits({ train, test }).map((data, i) => {
    const shape = shapes[i] as number[];
    const header = new Uint8Array(idxHeaderBytes(shape.length));
    writeIdxHeader(header, shape);
    return { name: MNIST_FILES[i as 0 | 1 | 2 | 3].name, sha256: sha256(header, data) };
  });
}

/** Images and labels as bytes, as IDX files have them. */
export function bytesOfSplits({ train, test }: Pick<Contents, 'train' | 'test'>): Uint8Array[] {
  return [train, test].flatMap(({ inputs, targets }) => [inputs as Uint8Array, Uint8Array.from(targets)]);
}
