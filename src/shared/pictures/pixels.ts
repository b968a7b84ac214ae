import type { Shape } from '../model/shape.ts';

/** Pixels [height][width][channels]: grey, grey and alpha, RGB, or RGB and alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  readonly data: Uint8Array;
}

/** What is behind transparent pixels: white. */
export const BACKGROUND = 255;

/** Without the alpha channel. @param paper what is behind the picture, 0 black to 255 white */
export function over({ width, height, channels, data }: Pixels, paper: number): Pixels {
  const colours = (channels - 1) as 1 | 3;
  const opaque = new Uint8Array(width * height * colours);
  for (let p = 0; p < width * height; p++) {
    const alpha = data[p * channels + colours] as number;
    for (let c = 0; c < colours; c++) {
      const sum = (data[p * channels + c] as number) * alpha + paper * (255 - alpha);
      opaque[p * colours + c] = Math.floor((2 * sum + 255) / 510);
    }
  }
  return { width, height, channels: colours, data: opaque };
}

/** The channels of a pixel beside each other. @param values [maps][height][width] of one map, or of three colours */
export function pixelsOf(values: Uint8Array, { maps, height, width }: Shape & { readonly maps: 1 | 3 }): Pixels {
  const data = new Uint8Array(values.length);
  const area = height * width;
  for (let map = 0; map < maps; map++)
    for (let place = 0; place < area; place++) data[place * maps + map] = values[map * area + place] as number;
  return { width, height, channels: maps, data };
}

/** Whether each pixel has the same red, green and blue. */
export function isGrey({ channels, data }: Pixels): boolean {
  if (channels < 3) return true;
  for (let i = 0; i < data.length; i += channels) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return false;
  }
  return true;
}
