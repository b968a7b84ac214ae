import { inflateSync } from 'node:zlib';
import { convertIndexedToRgb, type DecodedPng, decode } from 'fast-png';
import type { Pixels } from './grey.ts';
import { checkBytes, checkSize, ImageFormatError } from './limits.ts';

const SIGNATURE_BYTES = 8;
/** Bytes of a chunk's length and type before its data, and of its checksum after them. */
const CHUNK_FRAME = 12;
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** Bits a channel, by colour type. */
const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};
/** The chunks that are decoded: others may unpack to any size, such as a colour profile. */
const NEEDED: ReadonlySet<string> = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']);
const ADAM7_PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
}

export function isPng(file: Buffer): boolean {
  return file.subarray(0, SIGNATURE_BYTES).toString('latin1') === '\x89PNG\r\n\x1a\n';
}

/** @throws ImageFormatError, or what the library throws, if the file is damaged or too large */
export function decodePng(file: Buffer): Pixels {
  const chunks = chunksOf(file);
  const header = headerOf(chunks[0]);
  checkSize(header.width, header.height);
  const bytes = rawBytes(header);
  checkBytes(bytes);
  const packed = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data));
  // The library inflates whatever comes: a few kilobytes could fill the memory.
  if (inflateSync(packed, { maxOutputLength: bytes }).length !== bytes) {
    throw new ImageFormatError('its pixels end early');
  }
  const kept = chunks.filter(({ type }) => NEEDED.has(type)).map(({ whole }) => whole);
  const decoded = decode(Buffer.concat([file.subarray(0, SIGNATURE_BYTES), ...kept]), { checkCrc: true });
  return pixelsOf(decoded, header);
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
  readonly whole: Buffer;
}

function chunksOf(file: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE_BYTES; chunks.at(-1)?.type !== 'IEND'; ) {
    const end = at + CHUNK_FRAME + (at + CHUNK_FRAME <= file.length ? file.readUInt32BE(at) : 0);
    if (end > file.length) throw new ImageFormatError('it is truncated');
    const type = file.toString('latin1', at + 4, at + 8);
    chunks.push({ type, data: file.subarray(at + 8, end - 4), whole: file.subarray(at, end) });
    at = end;
  }
  return chunks;
}

function headerOf(chunk: Chunk | undefined): Header {
  if (chunk?.type !== 'IHDR' || chunk.data.length !== 13) throw new ImageFormatError('it has no header');
  const { data } = chunk;
  const [depth, colour, , , interlace] = data.subarray(8) as unknown as [number, number, number, number, number];
  const depths = DEPTHS[colour];
  if (depths === undefined) throw new ImageFormatError(`its colour type ${colour} is unknown`);
  if (!depths.includes(depth)) {
    throw new ImageFormatError(
      `it has ${depth} bits a channel, but its colour type ${colour} allows ${depths.join(', ')}`,
    );
  }
  if (interlace !== 0 && depth < 8) throw new ImageFormatError(`an interlaced PNG of ${depth} bits can't be read here`);
  return { width: data.readUInt32BE(0), height: data.readUInt32BE(4), depth, colour, interlaced: interlace !== 0 };
}

/** Bytes of the unpacked rows, each with its filter's byte in front. */
function rawBytes({ width, height, depth, colour, interlaced }: Header): number {
  const rows = (columns: number, lines: number): number =>
    columns === 0 ? 0 : lines * (1 + Math.ceil((columns * depth * (CHANNELS[colour] as number)) / 8));
  if (!interlaced) return rows(width, height);
  return ADAM7_PASSES.reduce(
    (sum, [x, y, stepX, stepY]) =>
      sum + rows(Math.max(0, Math.ceil((width - x) / stepX)), Math.max(0, Math.ceil((height - y) / stepY))),
    0,
  );
}

/** Eight bits a channel, palettes looked up, a colour that stands for nothing made transparent. */
function pixelsOf(png: DecodedPng, { depth, colour }: Header): Pixels {
  const { width, height } = png;
  if (colour === 3) {
    const channels = (png.palette?.[0]?.length ?? 3) as 3 | 4;
    return { width, height, channels, data: convertIndexedToRgb(png) };
  }
  const bright = 2 ** depth - 1;
  const [key] = png.transparency ?? [];
  if (depth < 8) {
    // The library unpacks bits for palettes alone: this one is its own grey values.
    const palette = Array.from({ length: bright + 1 }, (_, v) => [(255 * v) / bright, v === key ? 0 : 255]);
    return { width, height, channels: 2, data: convertIndexedToRgb({ ...png, palette }) };
  }
  const channels = png.channels as Pixels['channels'];
  const data = depth === 16 ? Uint8Array.from(png.data, (value) => value >> 8) : (png.data as Uint8Array);
  if (png.transparency === undefined) return { width, height, channels, data };
  return keyed({ width, height, channels, data }, png);
}

/** Adds an alpha channel: 0 if a pixel has the colour that the file defines as transparent. */
function keyed({ width, height, channels, data }: Pixels, { data: raw, transparency }: DecodedPng): Pixels {
  const out = new Uint8Array(width * height * (channels + 1));
  for (let p = 0; p < width * height; p++) {
    let isKey = true;
    for (let c = 0; c < channels; c++) {
      isKey &&= raw[p * channels + c] === transparency?.[c];
      out[p * (channels + 1) + c] = data[p * channels + c] as number;
    }
    out[p * (channels + 1) + channels] = isKey ? 0 : 255;
  }
  return { width, height, channels: (channels + 1) as 2 | 4, data: out };
}
