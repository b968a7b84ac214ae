import { basename, join } from 'node:path';
import { type ByteSource, fileSource } from '../../util/byte-source.ts';
import { DatasetError } from '../../util/errors.ts';
import { piecesOf, zipContents, zipEntries } from '../../util/zip.ts';
import { ARRAY_NAMES, type FourArrays, findArrays } from '../array-set.ts';
import { openNpy } from '../npy.ts';
import type { Place, SourceKind } from '../source.ts';
import { badArray, type StoredArray } from '../stored-array.ts';

const FILES = ARRAY_NAMES.map((name) => `${name}.npy`);

/** Four arrays of numpy: in one file as numpy.savez writes it, or each in a file of a folder. */
export const ARRAYS: SourceKind = {
  title: `the arrays ${ARRAY_NAMES.join(', ')} (.npz, or a folder of .npy files)`,
  accepts: ({ path, names }) =>
    names === undefined ? /\.np[yz]$/i.test(path) : names.some((name) => FILES.includes(name)),
  find: async (place, { reading }) => {
    try {
      return await findArrays(await openAll(place), place.path, reading);
    } catch (error) {
      if (error instanceof DatasetError) throw error;
      throw badArray(place.path, `it can't be read (${(error as Error).message})`, error);
    }
  },
};

async function openAll({ path, names }: Place): Promise<FourArrays> {
  if (names === undefined) return inArchive(await fileSource(path));
  return fourOf(path, names, async (name) => {
    const source = await fileSource(join(path, name));
    return openNpy(source.path, source.size, () => piecesOf(source, 0, source.size));
  });
}

async function inArchive(source: ByteSource): Promise<FourArrays> {
  const { path } = source;
  if (/\.npy$/i.test(path)) {
    throw badArray(
      path,
      `expected a folder of ${FILES.join(', ')}, or one .npz file, but this is the file ${basename(path)} alone`,
    );
  }
  const refusal = (problem: string, cause?: unknown) => badArray(path, `it can't be read as .npz: ${problem}`, cause);
  const entries = await zipEntries(source, refusal);
  return fourOf(path, [...entries.keys()], (name) => {
    const entry = entries.get(name);
    if (entry === undefined) throw refusal(`it has no ${name}`);
    return openNpy(`${path}: ${name}`, entry.length, () => zipContents(source, entry, refusal));
  });
}

async function fourOf(
  path: string,
  names: readonly string[],
  open: (name: string) => Promise<StoredArray>,
): Promise<FourArrays> {
  const arrays: StoredArray[] = [];
  for (const name of FILES) {
    if (!names.includes(name)) throw badArray(path, `expected ${FILES.join(', ')}, but it has no ${name}`);
    arrays.push(await open(name));
  }
  return arrays as unknown as FourArrays;
}
