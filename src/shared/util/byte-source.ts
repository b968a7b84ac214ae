import { openPlainFile } from './plain-file.ts';

/** Bytes that are read piece by piece: a file's, or those that came over the wire. */
export interface ByteSource {
  /** Names it in errors. */
  readonly path: string;
  readonly size: number;
  /** Fills `target` with what begins at a place. @throws Error if there aren't as many bytes, or they can't be read */
  read(begin: number, target: Uint8Array): Promise<void>;
}

/** Bytes of one call of the file system, which takes at most 2 GiB. */
const PIECE_BYTES = 2 ** 26;

/** @throws Error if it isn't a plain file, or can't be read */
export async function fileSource(path: string): Promise<ByteSource> {
  const file = await openPlainFile(path, 'read');
  const { size } = await file.stat().finally(() => file.close());
  return { path, size, read: (begin, target) => readFrom(path, begin, target) };
}

export function bytesSource(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    size: bytes.length,
    read: async (begin, target) => target.set(bytes.subarray(begin, begin + target.length)),
  };
}

async function readFrom(path: string, begin: number, target: Uint8Array): Promise<void> {
  const file = await openPlainFile(path, 'read');
  try {
    for (let filled = 0; filled < target.length; ) {
      const length = Math.min(PIECE_BYTES, target.length - filled);
      const { bytesRead } = await file.read(target, filled, length, begin + filled);
      if (bytesRead === 0) throw new Error(`it ends ${target.length - filled} bytes early`);
      filled += bytesRead;
    }
  } finally {
    await file.close();
  }
}
