import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { DatasetError } from '../errors.ts';
import { listDataFolder } from './data-folder.ts';
import type { Dataset } from './dataset.ts';
import { badFile, elements, type IdxArray, idxHeaderBytes, parseIdx } from './idx.ts';
import { type DataFile, type DataFiles, MNIST_FILES } from './mnist-files.ts';

const CHUNK_BYTES = 1 << 18;

type Allocate = (length: number) => Uint8Array;

export interface LoadOptions {
  readonly files?: DataFiles;
  readonly allocate?: Allocate;
}

/**
 * Reads MNIST from a folder, each file as it is or packed (.gz), and checks every byte against the known digests.
 * `allocate` gives the zeroed arrays that receive them; `files` is there for tests with small made-up sets.
 * @throws DatasetError that names the file which is missing, unreadable, truncated or altered
 */
export async function loadMnist(
  folder: string,
  { files = MNIST_FILES, allocate = (length) => new Uint8Array(length) }: LoadOptions = {},
): Promise<Dataset> {
  const names = await listDataFolder(folder);
  const [trainImages, trainLabels, testImages, testLabels] = files;
  // One after the other, so that the first bad file is the one reported, whatever the disk's timing.
  const images = await readDataFile(folder, names, trainImages, allocate);
  const labels = await readDataFile(folder, names, trainLabels, allocate);
  const heldOutImages = await readDataFile(folder, names, testImages, allocate);
  const heldOutLabels = await readDataFile(folder, names, testLabels, allocate);
  const [count = 0, height = 0, width = 0] = images.shape;
  return {
    name: 'mnist',
    train: { images: images.data, labels: labels.data, count },
    test: { images: heldOutImages.data, labels: heldOutLabels.data, count: heldOutLabels.data.length },
    width,
    height,
    sha256: sha256(files.map((file) => `${file.sha256}  ${file.name}\n`).join('')),
  };
}

async function readDataFile(
  folder: string,
  names: readonly string[],
  file: DataFile,
  allocate: Allocate,
): Promise<IdxArray> {
  const name = [file.name, `${file.name}.gz`].find((candidate) => names.includes(candidate));
  const path = join(folder, name ?? file.name);
  if (name === undefined) {
    throw badFile(path, `missing: expected it or ${file.name}.gz, but the folder has neither.`);
  }
  const bytes = await readUnpacked(path, allocate(idxHeaderBytes(file.shape.length) + elements(file.shape)));
  const array = parseIdx(bytes, path);
  const expected = file.shape.join('x');
  if (array.shape.join('x') !== expected) {
    throw badFile(path, `expected an array of ${expected}, but it holds ${array.shape.join('x')}.`);
  }
  const digest = sha256(bytes);
  if (digest !== file.sha256) {
    throw badFile(path, `altered: expected the SHA-256 ${file.sha256} (unpacked), but it has ${digest}.`);
  }
  return array;
}

/** The file's unpacked bytes in `bytes`: a longer file is refused without being read to its end. */
async function readUnpacked(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  const limit = bytes.length;
  let length = 0;
  let tooLong = false;
  const collect = async (source: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of source) {
      tooLong = length + chunk.length > limit;
      if (tooLong) throw new RangeError();
      bytes.set(chunk, length);
      length += chunk.length;
    }
  };
  try {
    // Opening a named pipe would wait for a writer for ever.
    if (!(await stat(path)).isFile()) throw badFile(path, "expected a file, but it isn't a regular one.");
    const file = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    if (path.endsWith('.gz')) await pipeline(file, createGunzip({ chunkSize: CHUNK_BYTES }), collect);
    else await pipeline(file, collect);
  } catch (error) {
    // Asked first: on Node 20 a pipeline may report an AbortError in place of what its consumer threw.
    if (tooLong) throw badFile(path, `expected ${limit} bytes, unpacked, but it holds more.`);
    throw error instanceof DatasetError ? error : readFailure(path, error as NodeJS.ErrnoException);
  }
  return bytes.subarray(0, length);
}

function readFailure(path: string, error: NodeJS.ErrnoException): DatasetError {
  if (error.code === 'Z_BUF_ERROR') return badFile(path, 'is truncated: its gzip stream ends early.', error);
  if (error.code?.startsWith('Z_')) {
    return badFile(path, `expected a gzip file, but it doesn't unpack (${error.message}).`, error);
  }
  return badFile(path, `can't be read (${error.message}).`, error);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
