import { type ByteSource, fileSource } from '../../util/byte-source.ts';
import { DatasetError } from '../../util/errors.ts';
import {
  decodeHeader,
  type ElementType,
  headerLength,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
} from '../../util/safetensors.ts';
import { piecesOf } from '../../util/zip.ts';
import { ARRAY_NAMES, type FourArrays, findArrays } from '../array-set.ts';
import { badPacked, findPacked } from '../packed.ts';
import type { SourceKind } from '../source.ts';
import { badArray, type StoredArray, type StoredType } from '../stored-array.ts';

/** The elements of an array that isn't packed by this program. */
const TYPES: Readonly<Record<ElementType, StoredType>> = {
  U8: 'u8',
  I8: 'i8',
  U16: 'u16',
  I16: 'i16',
  U32: 'u32',
  I32: 'i32',
  U64: 'u64',
  I64: 'i64',
  F32: 'f32',
  F64: 'f64',
  BOOL: 'bool',
};

/** A data set in one safetensors file: packed (packed.ts), or as the arrays x_train, y_train, x_test and y_test. */
export const PACKED: SourceKind = {
  title: 'a packed data set (.safetensors), or one of those arrays',
  accepts: ({ names }) => names === undefined,
  find: async ({ path }, { reading }) => {
    try {
      const source = await fileSource(path);
      const arrays = await arraysIn(source);
      return arrays === undefined ? await findPacked(source) : await findArrays(arrays, path, reading);
    } catch (error) {
      if (error instanceof DatasetError) throw error;
      throw badPacked(path, `it can't be read (${(error as Error).message})`, error);
    }
  },
};

/** The four arrays; undefined if the file has none of them. */
async function arraysIn(source: ByteSource): Promise<FourArrays | undefined> {
  const { path, size } = source;
  const start = Buffer.alloc(Math.min(size, LENGTH_BYTES + MAX_HEADER_BYTES));
  await source.read(0, start);
  // Nothing is asked of a file without these names: it is a packed one, or an error of that.
  if (!ARRAY_NAMES.some((name) => start.includes(`"${name}"`))) return undefined;
  const end = LENGTH_BYTES + headerLength(start, size, { file: path, refusal: badArray });
  const types = Object.keys(TYPES) as ElementType[];
  const { places } = decodeHeader(start.subarray(LENGTH_BYTES, end), size - end, {
    file: path,
    refusal: badArray,
    types,
  });
  if (!ARRAY_NAMES.some((name) => places.has(name))) return undefined;
  const arrays = ARRAY_NAMES.map((name): StoredArray => {
    const place = places.get(name);
    if (place === undefined) throw badArray(path, `expected ${ARRAY_NAMES.join(', ')}, but it has no ${name}`);
    return {
      path: `${path}: ${name}`,
      type: TYPES[place.dtype],
      isBigEndian: false,
      shape: place.shape,
      isColumnMajor: false,
      bytes: () => piecesOf(source, end + place.begin, end + place.end),
    };
  });
  return arrays as unknown as FourArrays;
}
