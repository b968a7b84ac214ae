import { over, type Pixels } from '../../shared/pictures/pixels.ts';
import type { Grey } from './ink.ts';

/** Grey levels by which ink must stand out more on one paper than on the other for that alone to decide. */
const CLEAR_LEAD = 24;

/**
 * One value a pixel, 0 to 255: the place of its colour along the line from the paper's to the ink's, so that colours of the same luma stay apart.
 * Greys are as they were. What is transparent becomes white paper or black.
 */
export function greyOf(pixels: Pixels): Grey {
  if (pixels.channels % 2 === 1) return alongInk(pixels);
  const [onWhite, onBlack] = [alongInk(over(pixels, 255)), alongInk(over(pixels, 0))];
  const lead = contrastOf(onWhite) - contrastOf(onBlack);
  const isWhite = Math.abs(lead) < CLEAR_LEAD ? !hasDarkRim(pixels) : lead > 0;
  return isWhite ? onWhite : onBlack;
}

/** Whether the drawing gets darker at its transparent edge: then it was cut out of dark paper. */
function hasDarkRim({ width, height, channels, data }: Pixels): boolean {
  const alphaAt = (p: number): number => data[p * channels + channels - 1] as number;
  const [all, rim] = [
    { light: 0, alpha: 0 },
    { light: 0, alpha: 0 },
  ];
  for (let p = 0; p < width * height; p++) {
    const alpha = alphaAt(p);
    if (alpha === 0) continue;
    let light = 0;
    for (let c = 0; c < channels - 1; c++) light += alpha * (data[p * channels + c] as number);
    all.light += light;
    all.alpha += alpha;
    const x = p % width;
    const isRim =
      (x > 0 && alphaAt(p - 1) === 0) ||
      (x < width - 1 && alphaAt(p + 1) === 0) ||
      (p >= width && alphaAt(p - width) === 0) ||
      (p < width * (height - 1) && alphaAt(p + width) === 0);
    if (!isRim) continue;
    rim.light += light;
    rim.alpha += alpha;
  }
  return rim.light / rim.alpha < all.light / all.alpha;
}

/** @param pixels without alpha */
function alongInk({ width, height, channels, data }: Pixels): Grey {
  if (channels === 1) return { width, height, data };
  const weights = weightsOf({ width, height, channels, data });
  // A colour of all the channels that count against the ink is 0.
  const start = weights.reduce((sum, weight) => sum - 255 * Math.min(0, weight), 0);
  const [red, green, blue] = weights;
  const grey = new Uint8Array(width * height);
  for (let p = 0, i = 0; p < grey.length; p++, i += 3) {
    const sum = red * (data[i] as number) + green * (data[i + 1] as number) + blue * (data[i + 2] as number);
    grey[p] = Math.round(start + sum);
  }
  return { width, height, data: grey };
}

/** What each channel counts on the line from the paper to the colour that is farthest from it; a third each between greys. */
function weightsOf(pixels: Pixels): readonly [red: number, green: number, blue: number] {
  const { data } = pixels;
  const [r, g, b] = paperOf(pixels);
  let [max, farthest] = [0, 0];
  for (let i = 0; i < data.length; i += 3) {
    const square =
      ((data[i] as number) - r) ** 2 + ((data[i + 1] as number) - g) ** 2 + ((data[i + 2] as number) - b) ** 2;
    if (square > max) [max, farthest] = [square, i];
  }
  if (max === 0) return [1 / 3, 1 / 3, 1 / 3];
  const ink = [(data[farthest] as number) - r, (data[farthest + 1] as number) - g, (data[farthest + 2] as number) - b];
  const sum = ink.reduce((total, share) => total + share, 0);
  // So that light greys stay light, and black to white is all of the scale.
  const length = Math.sqrt(3 * max) * (sum < 0 ? -1 : 1);
  return ink.map((share) => share / length) as [number, number, number];
}

/** The median of the outermost pixels, channel by channel. */
function paperOf({ width, height, data }: Pixels): readonly [red: number, green: number, blue: number] {
  const border: number[] = [];
  for (let x = 0; x < width; x++) border.push(x, (height - 1) * width + x);
  for (let y = 1; y < height - 1; y++) border.push(y * width, (y + 1) * width - 1);
  const median = (channel: number): number =>
    Uint8Array.from(border, (p) => data[3 * p + channel] as number).sort()[border.length >> 1] as number;
  return [median(0), median(1), median(2)];
}

function contrastOf({ data }: Grey): number {
  let [least, max] = [255, 0];
  for (const value of data) {
    if (value < least) least = value;
    if (value > max) max = value;
  }
  return max - least;
}
