import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatasetError } from '../util/errors.ts';
import { listDataFolder } from './data-folder.ts';
import type { Dataset } from './dataset.ts';
import { digestOf, sha256 } from './digest.ts';
import { badFile, elements, type IdxArray, idxHeaderBytes, parseIdx } from './idx.ts';
import { type DataFile, type DataFiles, MNIST_FILES, MNIST_SHAPE } from './mnist-files.ts';
import { CHUNK_BYTES, TooLongError, unpackInto } from './unpack.ts';

type Allocate = (length: number) => Uint8Array;

/** Fills `bytes` with a file's contents, unpacked; `problem` is what is wrong with the copy there is, if there is one. */
export type Replace = (file: DataFile, bytes: Uint8Array, problem: DatasetError | undefined) => Promise<void>;

export interface LoadOptions {
  readonly files?: DataFiles;
  readonly allocate?: Allocate;
  /** Called for each file that is missing or damaged, instead of an error; the folder itself may be missing then. */
  readonly replace?: Replace;
}

/**
 * Reads MNIST from a folder, each file as it is or packed (.gz), and checks every byte against the known digests.
 * `allocate` gives the arrays that receive them; `files` is there for tests with small made-up sets.
 * @throws DatasetError that names the file which is missing, unreadable, truncated or altered
 */
export async function loadMnist(
  folder: string,
  { files = MNIST_FILES, allocate = (length) => new Uint8Array(length), replace }: LoadOptions = {},
): Promise<Dataset> {
  const names = replace === undefined ? await listDataFolder(folder) : await listDataFolder(folder).catch(() => []);
  const read = (file: DataFile): Promise<IdxArray> => readDataFile(folder, names, file, { allocate, replace });
  const [trainImages, trainLabels, testImages, testLabels] = files;
  // One after the other, so that the first bad file is the one reported, whatever the disk's timing.
  const images = await read(trainImages);
  const labels = await read(trainLabels);
  const heldOutImages = await read(testImages);
  const heldOutLabels = await read(testLabels);
  const [count = 0, height = 0, width = 0] = images.shape;
  return {
    name: 'mnist',
    train: { images: images.data, labels: labels.data, count },
    test: { images: heldOutImages.data, labels: heldOutLabels.data, count: heldOutLabels.data.length },
    maps: MNIST_SHAPE.maps,
    height,
    width,
    classes: MNIST_SHAPE.classes,
    sha256: digestOf(files),
  };
}

interface ReadOptions {
  readonly allocate: Allocate;
  readonly replace: Replace | undefined;
}

async function readDataFile(
  folder: string,
  names: readonly string[],
  file: DataFile,
  { allocate, replace }: ReadOptions,
): Promise<IdxArray> {
  const name = [file.name, `${file.name}.gz`].find((candidate) => names.includes(candidate));
  const path = join(folder, name ?? file.name);
  const bytes = allocate(idxHeaderBytes(file.shape.length) + elements(file.shape));
  try {
    if (name === undefined) {
      throw badFile(path, `missing: expected it or ${file.name}.gz, but the folder has neither.`);
    }
    return checked(path, await readUnpacked(path, bytes), file);
  } catch (error) {
    if (replace === undefined || !(error instanceof DatasetError)) throw error;
    await replace(file, bytes, name === undefined ? undefined : error);
    return checked(path, bytes, file);
  }
}

function checked(path: string, bytes: Uint8Array, file: DataFile): IdxArray {
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

/** The file's unpacked bytes in `bytes`. */
async function readUnpacked(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    // Opening a named pipe would wait for a writer for ever.
    if (!(await stat(path)).isFile()) throw badFile(path, "expected a file, but it isn't a regular one.");
    const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    return await unpackInto(bytes, source, path.endsWith('.gz'));
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    if (error instanceof TooLongError) {
      throw badFile(path, `expected ${bytes.length} bytes, unpacked, but it holds more.`);
    }
    throw readFailure(path, error as NodeJS.ErrnoException);
  }
}

function readFailure(path: string, error: NodeJS.ErrnoException): DatasetError {
  if (error.code === 'Z_BUF_ERROR') return badFile(path, 'is truncated: its gzip stream ends early.', error);
  if (error.code?.startsWith('Z_')) {
    return badFile(path, `expected a gzip file, but it doesn't unpack (${error.message}).`, error);
  }
  return badFile(path, `can't be read (${error.message}).`, error);
}
