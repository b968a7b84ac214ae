/** The most bytes of a file, and megapixels of its picture: a small file may hold a huge picture. */
export const MAX_FILE_BYTES = 64 * 2 ** 20;
export const MAX_MEGAPIXELS = 25;

/** What is wrong with a picture, to be printed after its name. */
export class ImageFormatError extends Error {}

/** @throws ImageFormatError if a picture is empty or too large to decode */
export function checkSize(width: number, height: number): void {
  if (width < 1 || height < 1) throw new ImageFormatError(`it is ${width}x${height} pixels`);
  if (width * height > MAX_MEGAPIXELS * 1e6) {
    throw new ImageFormatError(`it is ${width}x${height} pixels, more than ${MAX_MEGAPIXELS} million: make it smaller`);
  }
}
