// The binary files of CIFAR-10 and CIFAR-100: records of one or two labels and the bytes of an image [3][32][32].
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { DatasetError } from '../util/errors.ts';
import type { Contents } from './dataset.ts';
import { readTar } from './tar.ts';
import { CHUNK_BYTES } from './unpack.ts';

/** Maps, height and width of an image. */
export const CIFAR_SHAPE = [3, 32, 32] as const;
export const CIFAR_IMAGE_BYTES = 3 * 32 * 32;

export interface CifarLayout {
  readonly train: readonly string[];
  readonly test: string;
  /** The file of the classes' names, a line each. */
  readonly names: string;
  /** Labels before an image, of which the last one counts. */
  readonly labels: number;
}

export const CIFAR10_LAYOUT: CifarLayout = {
  train: [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`),
  test: 'test_batch.bin',
  names: 'batches.meta.txt',
  labels: 1,
};

/** A coarse label comes before the fine one. */
export const CIFAR100_LAYOUT: CifarLayout = {
  train: ['train.bin'],
  test: 'test.bin',
  names: 'fine_label_names.txt',
  labels: 2,
};

export const CIFAR10_CLASSES: readonly string[] = [
  ...['airplane', 'automobile', 'bird', 'cat', 'deer'],
  ...['dog', 'frog', 'horse', 'ship', 'truck'],
];

/** Bytes of a record. */
export function recordBytes({ labels }: CifarLayout): number {
  return labels + CIFAR_IMAGE_BYTES;
}

export interface CifarPart {
  readonly inputs: Uint8Array;
  readonly targets: Uint16Array;
}

/** Splits whole records into images and labels, from sample `first` on. */
export function splitRecords(bytes: Uint8Array, first: number, { inputs, targets }: CifarPart, layout: CifarLayout) {
  const record = recordBytes(layout);
  for (let at = 0, i = first; at < bytes.length; at += record, i++) {
    targets[i] = bytes[at + layout.labels - 1] as number;
    inputs.set(bytes.subarray(at + layout.labels, at + record), i * CIFAR_IMAGE_BYTES);
  }
}

/** The samples in an archive (.tar.gz) of the binary files. @throws DatasetError if it lacks one, or one has half a record */
export async function readCifarArchive(
  archive: Buffer,
  layout: CifarLayout,
): Promise<Pick<Contents, 'train' | 'test'>> {
  const source = 'The archive';
  const record = recordBytes(layout);
  const files = new Map<string, Uint8Array>();
  const chunks = Readable.from([archive]).pipe(createGunzip({ chunkSize: CHUNK_BYTES }));
  const take = (path: string, bytes: number): Uint8Array | undefined => {
    const name = basename(path);
    if (![...layout.train, layout.test].includes(name)) return undefined;
    // It was checked by its hash: what it says of its sizes is true.
    const file = new Uint8Array(bytes);
    files.set(name, file);
    return file;
  };
  await readTar(chunks, take, source);
  const partOf = (names: readonly string[]) => {
    const bodies = names.map((name) => {
      const body = files.get(name);
      if (body !== undefined && body.length > 0 && body.length % record === 0) return body;
      throw new DatasetError(`${source} of CIFAR has no ${name} of whole records of ${record} bytes.`);
    });
    const count = bodies.reduce((sum, { length }) => sum + length, 0) / record;
    const part = { inputs: new Uint8Array(count * CIFAR_IMAGE_BYTES), targets: new Uint16Array(count), count };
    let first = 0;
    for (const [i, body] of bodies.entries()) {
      splitRecords(body, first, part, layout);
      first += body.length / record;
      files.delete(names[i] as string);
    }
    return part;
  };
  return { train: partOf(layout.train), test: partOf([layout.test]) };
}
