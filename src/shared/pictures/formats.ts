// What a picture's file says of itself before it is decoded: its format, and whatever could make a small file take long or much memory.
import { checkBytes, checkSize, PictureError } from './limits.ts';

export type Format = 'PNG' | 'JPEG' | 'WebP' | 'GIF' | 'TIFF';

/** Endings of the names of picture files, in small letters. */
export const ENDINGS: ReadonlySet<string> = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff']);

/** What files begin with, in Latin-1; all but WebP's, which have their length in between. */
const STARTS: readonly (readonly [format: Format, start: string])[] = [
  ['PNG', '\x89PNG\r\n\x1a\n'],
  ['JPEG', '\xff\xd8\xff'],
  ['GIF', 'GIF87a'],
  ['GIF', 'GIF89a'],
  ['TIFF', 'II*\0'],
  ['TIFF', 'II+\0'],
  ['TIFF', 'MM\0*'],
  ['TIFF', 'MM\0+'],
];

/** A decoder reads each scan of a progressive JPEG over the whole picture; encoders write about ten. */
const MAX_SCANS = 32;
/** All frames of a GIF, and all pages of a TIFF, are looked at for the first one. */
const MAX_GIF_BYTES = 16 * 2 ** 20;
const MAX_TIFF_PAGES = 1000;

/** A file of none of these formats. */
export class UnknownFormatError extends PictureError {}

/** @throws UnknownFormatError */
export function formatOf(file: Buffer): Format {
  const start = file.toString('latin1', 0, 12);
  if (start.startsWith('RIFF') && start.endsWith('WEBP')) return 'WebP';
  const found = STARTS.find(([, beginning]) => start.startsWith(beginning));
  if (found === undefined) throw new UnknownFormatError('expected a PNG, JPEG, WebP, GIF or TIFF picture');
  return found[0];
}

/** Bytes of a PNG chunk's length and type before its data, and of its checksum after them. */
const CHUNK_FRAME = 12;
const SIGNATURE_BYTES = 8;
const PNG_CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** The chunks that are decoded: others may unpack to any size, such as a colour profile or a text. */
const NEEDED: ReadonlySet<string> = new Set(['IHDR', 'PLTE', 'tRNS', 'eXIf', 'IDAT', 'IEND']);

/** A PNG without what isn't needed. @throws PictureError if it is truncated or too large */
export function plainPng(file: Buffer): Buffer {
  const kept = [file.subarray(0, SIGNATURE_BYTES)];
  for (let at = SIGNATURE_BYTES, type = ''; type !== 'IEND'; ) {
    const end = at + CHUNK_FRAME + (at + CHUNK_FRAME <= file.length ? file.readUInt32BE(at) : 0);
    if (end > file.length) throw new PictureError('it is truncated');
    type = file.toString('latin1', at + 4, at + 8);
    if (NEEDED.has(type)) kept.push(file.subarray(at, end));
    at = end;
  }
  const header = kept[1] as Buffer;
  if (header.toString('latin1', 4, 8) !== 'IHDR' || header.length !== CHUNK_FRAME + 13) {
    throw new PictureError('it has no header');
  }
  const [width, height] = [header.readUInt32BE(8), header.readUInt32BE(12)];
  checkSize(width, height);
  checkBytes((width * height * (header[16] as number) * (PNG_CHANNELS[header[17] as number] ?? 0)) / 8);
  return Buffer.concat(kept);
}

/** The number of a JPEG's channels. @throws PictureError if it has too many pixels or scans, or none */
export function checkJpeg(file: Buffer): number {
  let [channels, scans] = [0, 0];
  for (let at = nextMarker(file, 2); at >= 0; ) {
    const marker = file[at + 1] as number;
    if (marker === 0xd9 || at + 10 > file.length) break;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      checkSize(file.readUInt16BE(at + 7), file.readUInt16BE(at + 5));
      channels = file[at + 9] as number;
    }
    if (marker === 0xda) scans++;
    at = nextMarker(file, at + 2 + file.readUInt16BE(at + 2));
  }
  if (channels === 0) throw new PictureError('it is truncated');
  if (scans > MAX_SCANS) {
    throw new PictureError(`it has ${scans} scans, more than ${MAX_SCANS}: save it anew`);
  }
  return channels;
}

/** The place of the next marker, which stands behind compressed data after a scan's header; -1 if there is none. */
function nextMarker(file: Buffer, from: number): number {
  for (let at = file.indexOf(0xff, from); at >= 0 && at + 1 < file.length; at = file.indexOf(0xff, at + 1)) {
    const next = file[at + 1] as number;
    const isRestart = next >= 0xd0 && next <= 0xd7;
    if (next !== 0 && next !== 0xff && !isRestart) return at;
  }
  return -1;
}

/** @throws PictureError if it is so large that it may have a great many frames */
export function checkGif({ length }: Buffer): void {
  if (length <= MAX_GIF_BYTES) return;
  throw new PictureError(`it has ${length} bytes, more than ${MAX_GIF_BYTES} for a GIF: make it smaller`);
}

/** @throws PictureError if it has a great many pages, or one without an end */
export function checkTiff(file: Buffer): void {
  const isLittle = file[0] === 0x49;
  const isBig = file[isLittle ? 2 : 3] === 0x2b;
  /** Bytes of a place, of a page's number of entries, and of an entry. */
  const [place, count, entry] = isBig ? [8, 8, 20] : [4, 2, 12];
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const read = (at: number, bytes: number): number => {
    if (at + bytes > file.length) throw new PictureError('it is truncated');
    if (bytes === 8) return Number(view.getBigUint64(at, isLittle));
    return bytes === 4 ? view.getUint32(at, isLittle) : view.getUint16(at, isLittle);
  };
  let page = read(isBig ? 8 : 4, place);
  for (let pages = 0; page !== 0; pages++) {
    if (pages === MAX_TIFF_PAGES) throw new PictureError(`it has more than ${MAX_TIFF_PAGES} pages: split it`);
    page = read(page + count + read(page, count) * entry, place);
  }
}
