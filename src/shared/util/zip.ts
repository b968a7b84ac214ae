import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import type { ByteSource } from './byte-source.ts';
import { YoungGarbage } from './young-garbage.ts';

// PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16.
const END = { signature: 0x06054b50, bytes: 22, maxComment: 0xffff };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const STORED = 0;
const DEFLATED = 8;
/** In place of a size or position that doesn't fit into 32 bits. */
const IN_ZIP64 = 0xffffffff;
const MAX_DIRECTORY_BYTES = 1 << 20;
const PIECE_BYTES = 1 << 20;
const INFLATED_BYTES = 1 << 18;

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  /** In the archive. */
  readonly size: number;
  /** As the archive says, outside. */
  readonly length: number;
  readonly position: number;
}

/** Makes the error that says what is wrong with an archive. */
export type ZipRefusal = (problem: string, cause?: unknown) => Error;

/**
 * The files of a zip archive, by name. Nothing but its list of files is read.
 * @throws as `refusal` words it if there is no such list, or if it says what can't be
 */
export async function zipEntries(source: ByteSource, refusal: ZipRefusal): Promise<ReadonlyMap<string, ZipEntry>> {
  const { size } = source;
  const tail = await bytesAt(source, Math.max(0, size - END.bytes - END.maxComment), size);
  let end = tail.length - END.bytes;
  while (end >= 0 && tail.readUInt32LE(end) !== END.signature) end--;
  if (end < 0) throw refusal('it has no list of files');
  const [bytes, position] = [tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  if (position === IN_ZIP64) throw refusal('it has 4 GiB or more');
  if (bytes > MAX_DIRECTORY_BYTES || position + bytes > size) throw refusal('its list of files is too long');
  const list = await bytesAt(source, position, position + bytes);
  const entries = new Map<string, ZipEntry>();
  for (let at = 0; at + ENTRY.bytes <= bytes && list.readUInt32LE(at) === ENTRY.signature; ) {
    const nameBytes = list.readUInt16LE(at + 28);
    const entry = {
      name: list.toString('utf8', at + ENTRY.bytes, at + ENTRY.bytes + nameBytes),
      method: list.readUInt16LE(at + 10),
      size: list.readUInt32LE(at + 20),
      length: list.readUInt32LE(at + 24),
      position: list.readUInt32LE(at + 42),
    };
    if (entry.position + LOCAL.bytes + entry.size > size) throw refusal(`its ${entry.name} ends behind its end`);
    if (entry.length === IN_ZIP64) throw refusal(`its ${entry.name} has 4 GiB or more`);
    // The first of a name: a second one would be read by some programs alone.
    if (!entries.has(entry.name)) entries.set(entry.name, entry);
    at += ENTRY.bytes + nameBytes + list.readUInt16LE(at + 30) + list.readUInt16LE(at + 32);
  }
  return entries;
}

/**
 * The contents of a file of an archive, piece by piece, each maybe overwritten by the next one: as many as there are, whatever the
 * archive says of their length.
 * @throws as `refusal` words it if it isn't sound
 */
export async function* zipContents(
  source: ByteSource,
  { name, method, size, position }: ZipEntry,
  refusal: ZipRefusal,
): AsyncGenerator<Uint8Array> {
  const head = await bytesAt(source, position, position + LOCAL.bytes);
  if (head.readUInt32LE(0) !== LOCAL.signature) throw refusal(`its ${name} isn't where it should be`);
  const start = position + LOCAL.bytes + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (start + size > source.size) throw refusal(`its ${name} ends behind its end`);
  const stored = piecesOf(source, start, start + size);
  if (method === STORED) {
    yield* stored;
    return;
  }
  if (method !== DEFLATED) throw refusal(`its ${name} is compressed by the unknown method ${method}`);
  const inflate = createInflateRaw({ chunkSize: INFLATED_BYTES });
  // Its errors come by the iteration, too.
  pipeline(Readable.from(copiesOf(stored)), inflate).catch(() => {});
  const garbage = new YoungGarbage();
  try {
    for await (const piece of inflate as AsyncIterable<Buffer>) {
      yield piece;
      garbage.add(piece.length);
    }
  } catch (error) {
    throw refusal(`its ${name} can't be inflated`, error);
  }
}

/** What lies from one place to another, piece by piece; a piece is overwritten by the next one. */
export async function* piecesOf(source: ByteSource, begin: number, end: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(0, end - begin)));
  for (let at = begin; at < end; at += PIECE_BYTES) {
    const bytes = piece.subarray(0, Math.min(PIECE_BYTES, end - at));
    await source.read(at, bytes);
    yield bytes;
  }
}

/** Pieces that stay as they are: a stream holds several at once. */
async function* copiesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield Uint8Array.from(piece);
}

async function bytesAt(source: ByteSource, begin: number, end: number): Promise<Buffer> {
  const bytes = Buffer.alloc(end - begin);
  await source.read(begin, bytes);
  return bytes;
}
