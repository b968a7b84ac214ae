import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { YoungGarbage } from '../util/young-garbage.ts';

export const CHUNK_BYTES = 1 << 18;

/** The contents are longer than the array that was to receive them, which has their start. */
export class TooLongError extends Error {}

/**
 * Reads `source`, a gzip file if `packed`, into `bytes`. Longer contents are refused without being read to their end.
 * @returns the part of `bytes` that was filled
 * @throws TooLongError, zlib's errors (with a code Z_…) or those of the source
 */
export async function unpackInto(bytes: Uint8Array, source: Readable, packed: boolean): Promise<Uint8Array> {
  let length = 0;
  let tooLong = false;
  const garbage = new YoungGarbage();
  const collect = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    for await (const chunk of chunks) {
      tooLong = length + chunk.length > bytes.length;
      if (tooLong) {
        bytes.set(chunk.subarray(0, bytes.length - length), length);
        throw new TooLongError();
      }
      bytes.set(chunk, length);
      length += chunk.length;
      garbage.add(chunk.length);
    }
  };
  try {
    if (packed) await pipeline(source, createGunzip({ chunkSize: CHUNK_BYTES }), collect);
    else await pipeline(source, collect);
  } catch (error) {
    // On Node 20 a pipeline may report an AbortError instead of its consumer's error.
    throw tooLong ? new TooLongError() : error;
  }
  return bytes.subarray(0, length);
}
