/**
 * The most bytes of a file, megapixels of its picture, and bytes of those: a small file may hold a huge picture, and decoding takes
 * several copies of its pixels.
 */
export const MAX_FILE_BYTES = 64 * 2 ** 20;
export const MAX_MEGAPIXELS = 25;
const MAX_PIXEL_MEGABYTES = 100;

/** What is wrong with a picture, to be printed after its name. */
export class PictureError extends Error {}

/** @throws PictureError if a picture is empty or too large to decode */
export function checkSize(width: number, height: number): void {
  if (width < 1 || height < 1) throw new PictureError(`it is ${width}x${height} pixels`);
  if (width * height > MAX_MEGAPIXELS * 1e6) {
    throw new PictureError(`it is ${width}x${height} pixels, more than ${MAX_MEGAPIXELS} million: make it smaller`);
  }
}

/** @throws PictureError if a picture's pixels are too many bytes to decode */
export function checkBytes(bytes: number): void {
  if (bytes <= MAX_PIXEL_MEGABYTES * 2 ** 20) return;
  const megabytes = Math.ceil(bytes / 2 ** 20);
  throw new PictureError(
    `it has ${megabytes} MB of pixels, more than ${MAX_PIXEL_MEGABYTES}: make it smaller, or save it with 8 bits a channel`,
  );
}
