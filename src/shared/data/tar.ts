import { DatasetError } from '../util/errors.ts';

const BLOCK = 512;
/** Where a header (POSIX.1-1988, ustar) has its fields, and their bytes. */
const NAME = [0, 100] as const;
const SIZE = [124, 12] as const;
const CHECKSUM = [148, 8] as const;
const TYPE = 156;
const REGULAR = ['0', '\0'];

/**
 * Reads the files of a tar archive, one after the other.
 * @param take gives the array that receives a file; undefined: the file is passed over
 * @param source names the archive in errors
 * @throws DatasetError if it isn't one, or ends within a file; what `take` throws
 */
export async function readTar(
  chunks: AsyncIterable<Uint8Array>,
  take: (name: string, bytes: number) => Uint8Array | undefined,
  source: string,
): Promise<void> {
  const header = Buffer.alloc(BLOCK);
  let filled = 0;
  let file: Uint8Array | undefined;
  /** Bytes of the file that are still to come, and then of its last block. */
  let [left, padding] = [0, 0];
  let at = 0;
  for await (const chunk of chunks) {
    for (let next = 0; next < chunk.length; ) {
      if (left + padding > 0) {
        const length = Math.min(left > 0 ? left : padding, chunk.length - next);
        if (left > 0) {
          file?.set(chunk.subarray(next, next + length), at);
          at += length;
          left -= length;
        } else padding -= length;
        next += length;
        continue;
      }
      const length = Math.min(BLOCK - filled, chunk.length - next);
      header.set(chunk.subarray(next, next + length), filled);
      filled += length;
      next += length;
      if (filled < BLOCK) continue;
      filled = 0;
      // Two blocks of zeros are the end; what follows them is nothing.
      if (header.every((byte) => byte === 0)) continue;
      const entry = entryOf(header, source);
      file = entry.isFile ? take(entry.name, entry.bytes) : undefined;
      [left, at] = [entry.bytes, 0];
      padding = (BLOCK - (entry.bytes % BLOCK)) % BLOCK;
    }
  }
  if (left > 0 || filled > 0) throw badArchive(source, 'it ends within a file');
}

function entryOf(header: Buffer, source: string) {
  const textAt = ([begin, length]: readonly [number, number]): string =>
    header.toString('latin1', begin, begin + length).split('\0', 1)[0] as string;
  const numberAt = (field: readonly [number, number]): number => {
    const digits = textAt(field).trim();
    return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
  };
  // The header's bytes, with spaces for the checksum.
  let sum = CHECKSUM[1] * 0x20;
  for (const [i, byte] of header.entries()) if (i < CHECKSUM[0] || i >= CHECKSUM[0] + CHECKSUM[1]) sum += byte;
  const bytes = numberAt(SIZE);
  if (numberAt(CHECKSUM) !== sum || !Number.isSafeInteger(bytes)) throw badArchive(source, 'a header of it is damaged');
  return { name: textAt(NAME), bytes, isFile: REGULAR.includes(header.toString('latin1', TYPE, TYPE + 1)) };
}

function badArchive(source: string, problem: string): DatasetError {
  return new DatasetError(`${source} can't be read as a tar archive: ${problem}.`, { file: source });
}
