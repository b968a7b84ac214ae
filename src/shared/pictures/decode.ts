// Pictures' files become pixels. sharp decodes and nothing else: a decoder's output is defined by the format, to the bit or as its
// makers test it, and turning a picture as its EXIF orientation says moves whole pixels. Whatever computes (colour profiles, other
// colour spaces, resizing) is left out or done here, since libraries' floats differ between processors.
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PackageError } from '../util/errors.ts';
import { checkGif, checkJpeg, checkTiff, type Format, formatOf, plainPng } from './formats.ts';
import { checkBytes, checkSize, MAX_FILE_BYTES, MAX_MEGAPIXELS, PictureError } from './limits.ts';
import type { Pixels } from './pixels.ts';

/** What is used of sharp. Written out here, since the package is optional: without it the build must pass too. */
interface Sharp {
  (input: Buffer, options: Readonly<Record<string, unknown>>): Image;
  readonly versions: Readonly<Record<string, string>>;
  cache(on: boolean): void;
  concurrency(threads: number): void;
}

interface Image {
  metadata(): Promise<{ width: number; height: number; channels: number; space: string; depth: string }>;
  pipelineColourspace(space: string): Image;
  toColourspace(space: string): Image;
  raw(): Image;
  toBuffer(options: { resolveWithObject: true }): Promise<{
    readonly data: Buffer;
    readonly info: { readonly width: number; readonly height: number; readonly channels: 1 | 2 | 3 | 4 };
  }>;
}

const READING = {
  autoOrient: true,
  // A profile's colours are computed in floats.
  ignoreIcc: true,
  failOn: 'error',
  limitInputPixels: MAX_MEGAPIXELS * 1e6,
};

/** Bytes of a channel, by libvips' name of its type; others would have to be scaled. */
const DEPTH_BYTES: Readonly<Record<string, number>> = { uchar: 1, ushort: 2 };
const SPACES: ReadonlySet<string> = new Set(['srgb', 'b-w', 'rgb16', 'grey16', 'cmyk']);

let loaded: Sharp | undefined;

/**
 * Loads sharp. To be called in the main thread before threads decode: where a thread loads it first, its libraries are unloaded as that
 * thread ends.
 * @throws PackageError if it isn't installed, or doesn't load here
 */
export function loadDecoder(): Sharp {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  try {
    require.resolve('sharp');
  } catch (cause) {
    throw new PackageError(
      'Pictures are read by sharp, an optional package that is not installed: run `npm ci` without --omit=optional.',
      { cause },
    );
  }
  let sharp: Sharp;
  try {
    sharp = require('sharp') as Sharp;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new PackageError(
      `Pictures are read by sharp, which doesn't load here (${reason}). Run \`npm ci\` again on this machine, without --omit=optional.`,
      { cause },
    );
  }
  sharp.cache(false);
  // Files are decoded side by side.
  sharp.concurrency(1);
  loaded = sharp;
  return sharp;
}

/** What decides the pixels: other versions may decode to other ones. @throws PackageError */
export function decoderVersions(): string {
  const { sharp, vips } = loadDecoder().versions;
  return `sharp ${sharp}, libvips ${vips}`;
}

/**
 * A file's bytes. To be called in a thread that may wait: of many small files asynchronous reading takes more time than decoding.
 * @throws PictureError if it is no file, or too large; the file system's error
 */
export function pictureBytes(file: string): Buffer {
  // Opening a named pipe would wait for a writer for ever.
  const found = statSync(file);
  if (!found.isFile()) throw new PictureError('it is no file');
  checkLength(found.size);
  return readFileSync(file);
}

/** A picture that was a file elsewhere. @throws PictureError if it is too large */
export function pictureIn(bytes: Uint8Array): Buffer {
  checkLength(bytes.length);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checkLength(bytes: number): void {
  if (bytes <= MAX_FILE_BYTES) return;
  throw new PictureError(`it has ${bytes} bytes, more than ${MAX_FILE_BYTES}: make it smaller`);
}

/**
 * A picture's pixels, upright, 8 bits a channel; of several frames or pages the first.
 * @throws PictureError if it can't be read, PackageError if no picture can be
 */
export async function decodePicture(file: Buffer): Promise<Pixels> {
  const sharp = loadDecoder();
  const format = formatOf(file);
  try {
    switch (format) {
      case 'PNG':
        return await pixelsOf(sharp(plainPng(file), READING));
      case 'JPEG':
        return checkJpeg(file) === 4 ? await cmykPixels(sharp(file, READING)) : await pixelsOf(sharp(file, READING));
      case 'TIFF':
        checkTiff(file);
        return await tiffPixels(sharp(file, READING));
      case 'GIF':
        checkGif(file);
    }
    return await pixelsOf(sharp(file, READING));
  } catch (error) {
    throw error instanceof PictureError ? error : pictureError(format, error as Error);
  }
}

async function pixelsOf(image: Image): Promise<Pixels> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, channels: info.channels, data };
}

async function tiffPixels(image: Image): Promise<Pixels> {
  const { width, height, channels, space, depth } = await image.metadata();
  checkSize(width, height);
  const bytes = DEPTH_BYTES[depth];
  if (bytes === undefined || !SPACES.has(space)) {
    throw new PictureError(
      `a TIFF of ${depth} values in ${space} can't be read here: save it as RGB with 8 bits a channel`,
    );
  }
  checkBytes(width * height * channels * bytes);
  return space === 'cmyk' ? cmykPixels(image) : pixelsOf(image);
}

/** Printing colours without a profile: what neither an ink nor the black covers. */
async function cmykPixels(image: Image): Promise<Pixels> {
  const { width, height, channels, data } = await pixelsOf(image.pipelineColourspace('cmyk').toColourspace('cmyk'));
  const rgb = new Uint8Array(width * height * 3);
  for (let p = 0; p < width * height; p++) {
    const light = 255 - (data[p * channels + 3] as number);
    for (let c = 0; c < 3; c++) {
      rgb[3 * p + c] = Math.floor((2 * light * (255 - (data[p * channels + c] as number)) + 255) / 510);
    }
  }
  return { width, height, channels: 3, data: rgb };
}

function pictureError(format: Format, { message }: Error): PictureError {
  const [reason = ''] = message.split('\n');
  if (/exceeds pixel limit/.test(reason)) {
    return new PictureError(`it has more than ${MAX_MEGAPIXELS} million pixels: make it smaller`);
  }
  if (/unsupported|not supported|not implemented/i.test(reason)) {
    return new PictureError(`this kind of ${format} can't be read here (${reason}): save it as a plain PNG or JPEG`);
  }
  return new PictureError(`it is damaged (${reason})`);
}
