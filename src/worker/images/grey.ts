import type { Grey } from '../../shared/inspect/digit.ts';

/** Pixels [height][width][channels]: grey, grey and alpha, RGB, or RGB and alpha. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  readonly data: Uint8Array;
}

/** Grey levels below which a picture counts as empty. */
const LEAST_CONTRAST = 24;

/** Luma as ITU-R BT.601 has it, over white paper; over black where white ink would vanish on that. */
export function greyOf(pixels: Pixels): Grey {
  const overWhite = over(pixels, 255);
  const hasAlpha = pixels.channels % 2 === 0;
  return hasAlpha && contrastOf(overWhite) < LEAST_CONTRAST ? over(pixels, 0) : overWhite;
}

function over({ width, height, channels, data }: Pixels, paper: number): Grey {
  const grey = new Uint8Array(width * height);
  const hasAlpha = channels % 2 === 0;
  for (let p = 0, i = 0; p < grey.length; p++, i += channels) {
    const first = data[i] as number;
    const luma =
      channels < 3 ? first : (299 * first + 587 * (data[i + 1] as number) + 114 * (data[i + 2] as number)) / 1000;
    const alpha = hasAlpha ? (data[i + channels - 1] as number) / 255 : 1;
    grey[p] = Math.round(luma * alpha + paper * (1 - alpha));
  }
  return { width, height, data: grey };
}

function contrastOf({ data }: Grey): number {
  let [least, most] = [255, 0];
  for (const value of data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return most - least;
}

/** Turns and mirrors as a camera's EXIF orientation (1 to 8) asks. */
export function upright({ width, height, data }: Grey, orientation: number): Grey {
  if (orientation <= 1) return { width, height, data };
  const turned = orientation >= 5;
  const mirrorX = [2, 3, 6, 7].includes(orientation);
  const mirrorY = [3, 4, 7, 8].includes(orientation);
  const [outWidth, outHeight] = turned ? [height, width] : [width, height];
  const out = new Uint8Array(data.length);
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      const [u, v] = [mirrorX ? outWidth - 1 - x : x, mirrorY ? outHeight - 1 - y : y];
      out[y * outWidth + x] = data[turned ? u * width + v : v * width + u] as number;
    }
  }
  return { width: outWidth, height: outHeight, data: out };
}
