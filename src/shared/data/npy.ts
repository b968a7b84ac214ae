import { badArray, elementsOf, STORED_TYPES, type StoredArray, type StoredType, typeBytes } from './stored-array.ts';

// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
const MAX_HEADER_BYTES = 1 << 16;

/**
 * The array in a file as numpy.save writes it.
 * @param open begins to read the file
 * @param size bytes of the file, as far as that is known
 * @throws DatasetError if it isn't one, or has elements that aren't numbers
 */
export async function openNpy(path: string, size: number, open: () => AsyncIterable<Uint8Array>): Promise<StoredArray> {
  const { text, end } = await headerOf(path, open());
  const [, order = '', letter = '', bits = ''] = /'descr'\s*:\s*'([<>|=]?)([a-zA-Z?])(\d+)'/.exec(text) ?? [];
  const [, isFortran] = /'fortran_order'\s*:\s*(True|False)/.exec(text) ?? [];
  const [, sides] = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(text) ?? [];
  if (isFortran === undefined || sides === undefined) throw badArray(path, 'its header has no order or no shape');
  const type = letter === 'b' && bits === '1' ? 'bool' : (`${letter}${8 * Number(bits)}` as StoredType);
  if (!STORED_TYPES.includes(type)) {
    throw badArray(path, `expected integers, or floats of 32 or 64 bits, but its header says ${headerText(text)}`);
  }
  const shape = sides.split(',').flatMap((side) => (side.trim() === '' ? [] : Number(side)));
  const array = { path, type, isBigEndian: order === '>', shape, isColumnMajor: isFortran === 'True' };
  const bytes = elementsOf(array) * typeBytes(type);
  if (!Number.isSafeInteger(bytes) || end + bytes > size) {
    throw badArray(path, `expected ${bytes} bytes of elements for ${shape.join('x')}, but it has ${size - end}`);
  }
  return { ...array, bytes: () => from(open(), end) };
}

async function headerOf(path: string, chunks: AsyncIterable<Uint8Array>): Promise<{ text: string; end: number }> {
  let start = Buffer.alloc(0);
  const isNpy = () => start.subarray(0, MAGIC.length).equals(MAGIC);
  for await (const chunk of chunks) {
    start = Buffer.concat([start, chunk.subarray(0, MAX_HEADER_BYTES)]);
    if (start.length < 12) continue;
    if (!isNpy()) break;
    const isShort = start[6] === 1;
    const begin = isShort ? 10 : 12;
    const end = begin + (isShort ? start.readUInt16LE(8) : start.readUInt32LE(8));
    if (end > MAX_HEADER_BYTES) break;
    if (start.length >= end) return { text: start.toString('latin1', begin, end), end };
  }
  throw badArray(path, 'expected an array as numpy.save writes it, but its header is another one');
}

function headerText(text: string): string {
  return text
    .slice(0, 80)
    .replace(/[^\x20-\x7e]/g, ' ')
    .trim();
}

/** What comes from a place on. */
async function* from(chunks: AsyncIterable<Uint8Array>, begin: number): AsyncGenerator<Uint8Array> {
  let skipped = 0;
  for await (const chunk of chunks) {
    const start = Math.min(chunk.length, begin - skipped);
    skipped += start;
    if (start < chunk.length) yield chunk.subarray(start);
  }
}
