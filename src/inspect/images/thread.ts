import { readFile, stat } from 'node:fs/promises';
import { type Grey, toDigit } from '../activations/digit.ts';
import { greyOf } from './grey.ts';
import { decodeJpeg, isJpeg } from './jpeg.ts';
import { ImageFormatError, MAX_FILE_BYTES } from './limits.ts';
import { decodePng, isPng } from './png.ts';

/** What a file holds: bytes [28][28] in MNIST's form, or the problem, to be printed after its name. */
export type ReadImage = { readonly digit: Uint8Array } | { readonly problem: string };

/** One task of the image readers' pool: a PNG or JPEG file. */
export async function readImage(file: string): Promise<ReadImage> {
  let bytes: Buffer;
  try {
    bytes = await bytesOf(file);
  } catch (error) {
    return {
      problem: error instanceof ImageFormatError ? error.message : `it can't be read (${(error as Error).message})`,
    };
  }
  try {
    const digit = toDigit(decode(bytes));
    return digit === undefined ? { problem: 'nothing is drawn on it' } : { digit };
  } catch (error) {
    if (error instanceof ImageFormatError) return { problem: error.message };
    return { problem: `it is damaged (${(error as Error).message})` };
  }
}

function decode(bytes: Buffer): Grey {
  if (isPng(bytes)) return greyOf(decodePng(bytes));
  if (isJpeg(bytes)) return decodeJpeg(bytes);
  throw new ImageFormatError('expected a PNG or JPEG picture, or an IDX file with --index');
}

async function bytesOf(file: string): Promise<Buffer> {
  // Opening a named pipe would wait for a writer for ever.
  const found = await stat(file);
  if (!found.isFile()) throw new ImageFormatError('it is no file');
  if (found.size > MAX_FILE_BYTES) {
    throw new ImageFormatError(`it has ${found.size} bytes, more than ${MAX_FILE_BYTES}: make it smaller`);
  }
  return readFile(file);
}
