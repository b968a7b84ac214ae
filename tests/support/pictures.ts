// Pictures' files made by sharp, which the package's own types describe; written out here as far as tests use it.
import { createRequire } from 'node:module';

export interface Raw {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
}

export interface Encoder {
  png(options?: object): Encoder;
  jpeg(options?: object): Encoder;
  webp(options?: object): Encoder;
  gif(options?: object): Encoder;
  tiff(options?: object): Encoder;
  greyscale(): Encoder;
  toColourspace(space: string): Encoder;
  withMetadata(options: { readonly orientation: number }): Encoder;
  raw(options?: object): Encoder;
  toBuffer(): Promise<Buffer>;
}

const sharp = createRequire(import.meta.url)('sharp') as (input: Uint8Array, options: { raw: Raw }) => Encoder;

/** @param data [height][width][channels] */
export function encoder(data: Uint8Array, raw: Raw): Encoder {
  return sharp(data, { raw });
}

/** A picture [height][width][3] that has every kind of place: flat, edges, gradients. */
export function madePixels(width: number, height: number, seed = 1): Uint8Array {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = (x - width / 3) ** 2 + (y - height / 2) ** 2 < (Math.min(width, height) / 4) ** 2;
      const ramp = Math.floor((255 * x) / width);
      data.set(inside ? [200, 30 * seed, 60] : [ramp, (7 * y * seed) % 256, 255 - ramp], 3 * (y * width + x));
    }
  }
  return data;
}
