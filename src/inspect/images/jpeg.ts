import jpeg from 'jpeg-js';
import type { Grey } from '../activations/digit.ts';
import { greyOf, upright } from './grey.ts';
import { checkSize, ImageFormatError, MAX_MEGAPIXELS } from './limits.ts';

/** What the library may allocate: three full planes of the largest picture, as coefficients, samples and pixels. */
const MAX_MEGABYTES = 768;
const ORIENTATION_TAG = 0x0112;
const SHORT = 3;
const MAX_TAGS = 512;

export function isJpeg(file: Buffer): boolean {
  return file[0] === 0xff && file[1] === 0xd8 && file[2] === 0xff;
}

/** @throws ImageFormatError, or what the library throws, if the file is damaged or too large */
export function decodeJpeg(file: Buffer): Grey {
  // The library fills in a missing end without an error.
  if (file.lastIndexOf(Buffer.from([0xff, 0xd9])) < 0) throw new ImageFormatError('it is truncated');
  const { width, height } = frameOf(file);
  checkSize(width, height);
  const decoded = jpeg.decode(file, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: MAX_MEGAPIXELS,
    maxMemoryUsageInMB: MAX_MEGABYTES,
  }) as ReturnType<typeof jpeg.decode> & { exifBuffer?: Uint8Array };
  const grey = greyOf({ width: decoded.width, height: decoded.height, channels: 3, data: decoded.data });
  return upright(grey, orientationOf(decoded.exifBuffer));
}

/** The size that the first frame header gives. */
function frameOf(file: Buffer): { width: number; height: number } {
  for (let at = 2; at + 9 <= file.length; ) {
    if (file[at] !== 0xff) break;
    const marker = file[at + 1] as number;
    if (marker === 0xff) {
      at++;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { height: file.readUInt16BE(at + 5), width: file.readUInt16BE(at + 7) };
    at += 2 + file.readUInt16BE(at + 2);
  }
  throw new ImageFormatError('it has no frame header');
}

/** The orientation, 1 to 8, that a camera wrote; 1 if there is none. @param exif a zero byte, then a TIFF header */
export function orientationOf(exif: Uint8Array | undefined): number {
  const tiff = exif?.subarray(1);
  if (tiff === undefined || tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length);
  const little = view.getUint16(0) === 0x4949;
  const first = view.getUint32(4, little);
  if (first + 2 > tiff.length) return 1;
  const tags = Math.min(MAX_TAGS, view.getUint16(first, little));
  for (let at = first + 2; at < first + 2 + 12 * tags && at + 12 <= tiff.length; at += 12) {
    if (view.getUint16(at, little) !== ORIENTATION_TAG || view.getUint16(at + 2, little) !== SHORT) continue;
    const orientation = view.getUint16(at + 8, little);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}
