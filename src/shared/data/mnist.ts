import { join } from 'node:path';
import { DatasetError } from '../util/errors.ts';
import { listDataFolder } from './data-folder.ts';
import { type Arrays, type Dataset, OWN_ARRAYS, type Split } from './dataset.ts';
import { digestOf, sha256 } from './digest.ts';
import { badFile, elements, type IdxArray, idxHeaderBytes, parseIdx } from './idx.ts';
import { readUnpacked } from './idx-file.ts';
import { type DataFile, type DataFiles, MNIST_FILES, MNIST_SHAPE } from './mnist-files.ts';

/** Fills `bytes` with a file's contents, unpacked; `problem` is what is wrong with the copy there is, if there is one. */
export type Replace = (file: DataFile, bytes: Uint8Array, problem: DatasetError | undefined) => Promise<void>;

export interface LoadOptions {
  readonly files?: DataFiles;
  readonly arrays?: Arrays;
  /** Called for each file that is missing or damaged, instead of an error; the folder itself may be missing then. */
  readonly replace?: Replace;
}

/**
 * Reads MNIST from a folder, each file as it is or packed (.gz), and checks every byte against the known digests.
 * `arrays` receive them; `files` is there for tests with small made-up sets.
 * @throws DatasetError that names the file which is missing, unreadable, truncated or altered
 */
export async function loadMnist(
  folder: string,
  { files = MNIST_FILES, arrays = OWN_ARRAYS, replace }: LoadOptions = {},
): Promise<Dataset> {
  const names = replace === undefined ? await listDataFolder(folder) : await listDataFolder(folder).catch(() => []);
  const read = (file: DataFile, bytes: Uint8Array): Promise<IdxArray> =>
    readDataFile(folder, names, file, { bytes, replace });
  // One file after the other, so that the first bad one is the one reported, whatever the disk's timing.
  const readSplit = async (images: DataFile, labels: DataFile): Promise<Split> => {
    const { data: inputs } = await read(images, arrays.bytes(bytesOfFile(images)));
    const { data } = await read(labels, new Uint8Array(bytesOfFile(labels)));
    const targets = arrays.uint16(data.length);
    targets.set(data);
    return { inputs, targets, count: data.length };
  };
  const [trainImages, trainLabels, testImages, testLabels] = files;
  const [, height = 0, width = 0] = trainImages.shape;
  return {
    name: 'mnist',
    train: await readSplit(trainImages, trainLabels),
    test: await readSplit(testImages, testLabels),
    ...MNIST_SHAPE,
    height,
    width,
    sha256: digestOf(files),
  };
}

function bytesOfFile({ shape }: DataFile): number {
  return idxHeaderBytes(shape.length) + elements(shape);
}

interface ReadOptions {
  /** Receives the file. */
  readonly bytes: Uint8Array;
  readonly replace: Replace | undefined;
}

async function readDataFile(
  folder: string,
  names: readonly string[],
  file: DataFile,
  { bytes, replace }: ReadOptions,
): Promise<IdxArray> {
  const name = [file.name, `${file.name}.gz`].find((candidate) => names.includes(candidate));
  const path = join(folder, name ?? file.name);
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
