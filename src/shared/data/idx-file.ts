import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { DatasetError } from '../util/errors.ts';
import { badFile, idxShape, MAX_IDX_HEADER_BYTES } from './idx.ts';
import { CHUNK_BYTES, TooLongError, unpackInto } from './unpack.ts';

/** A gzip file's contents are at most this many times as long: a match of 258 bytes takes two bits. */
const MAX_UNPACKING = 1032;

/** The shape of the array in an IDX file, and how long its contents can be at most. @throws DatasetError as `readUnpacked` does */
export async function readIdxShape(path: string, advice: string): Promise<{ shape: number[]; maxBytes: number }> {
  const start = new Uint8Array(MAX_IDX_HEADER_BYTES);
  const filled = await readUnpacked(path, start, advice, true);
  const { size } = await stat(path);
  const maxBytes = path.endsWith('.gz') ? MAX_UNPACKING * size : size;
  return { shape: idxShape(filled, path, advice), maxBytes };
}

/**
 * A file's contents in `bytes`, unpacked if its name ends in .gz.
 * @param isStart it may hold more, which is left unread
 * @throws DatasetError if it can't be read, holds more, or is no regular file
 */
export async function readUnpacked(
  path: string,
  bytes: Uint8Array,
  advice?: string,
  isStart = false,
): Promise<Uint8Array> {
  try {
    // Opening a named pipe would wait for a writer for ever.
    if (!(await stat(path)).isFile())
      throw badFile(path, "expected a file, but it isn't a regular one.", undefined, advice);
    const source = createReadStream(path, { highWaterMark: CHUNK_BYTES });
    return await unpackInto(bytes, source, path.endsWith('.gz'));
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    if (error instanceof TooLongError) {
      if (isStart) return bytes;
      throw badFile(path, `expected ${bytes.length} bytes, unpacked, but it holds more.`, error, advice);
    }
    throw readFailure(path, error as NodeJS.ErrnoException, advice);
  }
}

function readFailure(path: string, error: NodeJS.ErrnoException, advice?: string): DatasetError {
  if (error.code === 'Z_BUF_ERROR') return badFile(path, 'is truncated: its gzip stream ends early.', error, advice);
  if (error.code?.startsWith('Z_')) {
    return badFile(path, `expected a gzip file, but it doesn't unpack (${error.message}).`, error, advice);
  }
  return badFile(path, `can't be read (${error.message}).`, error, advice);
}
