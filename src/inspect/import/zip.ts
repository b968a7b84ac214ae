import { type ByteSource, fileSource } from '../../shared/util/byte-source.ts';
import { ModelError } from '../../shared/util/errors.ts';
import { type ZipRefusal, zipContents, zipEntries } from '../../shared/util/zip.ts';

/**
 * One file of a zip archive. Nothing but its list of files and that one is read.
 * @param maxBytes the most that it may have, in the archive and outside
 * @throws ModelError if the archive doesn't have it, or isn't sound
 */
export async function readZipped(path: string, name: string, maxBytes: number): Promise<Buffer> {
  const refusal: ZipRefusal = (problem, cause) =>
    new ModelError(`${path}: it can't be read as a zip archive: ${problem}.`, { cause });
  try {
    return await readEntry(await fileSource(path), { name, maxBytes, refusal });
  } catch (error) {
    if (error instanceof ModelError) throw error;
    throw new ModelError(`${path}: it can't be read (${(error as Error).message}).`, { cause: error });
  }
}

interface EntryOptions {
  readonly name: string;
  readonly maxBytes: number;
  readonly refusal: ZipRefusal;
}

async function readEntry(source: ByteSource, { name, maxBytes, refusal }: EntryOptions): Promise<Buffer> {
  const entry = (await zipEntries(source, refusal)).get(name);
  if (entry === undefined) throw refusal(`it has no ${name}`);
  if (entry.size > maxBytes) throw refusal(`its ${name} has ${entry.size} bytes, more than ${maxBytes}`);
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of zipContents(source, entry, refusal)) {
    bytes += piece.length;
    if (bytes > maxBytes) throw refusal(`its ${name} can't be inflated to at most ${maxBytes} bytes`);
    pieces.push(Uint8Array.from(piece));
  }
  return Buffer.concat(pieces, bytes);
}
