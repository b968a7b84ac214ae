import { MNIST_SHAPE } from '../../shared/data/mnist-files.ts';

/** Grey values [height][width], 0 black to 255 white. */
export interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Rows and columns of a digit in MNIST's form. */
export const DIGIT_SIDE = MNIST_SHAPE.height;
/** MNIST's digits were scaled to fit a box of this side, then centred by mass. */
const BOX_SIDE = 20;
/** Where MNIST has the centre of mass, along both axes: the middle of pixel 14. */
const CENTRE = 14.5;
/** A digit whose longer side is from here to BOX_SIDE pixels fits already: scaling it would only blur. */
const FITTING_SIDE = 18;
/** Grey levels between paper and ink, below which nothing counts as drawn. */
const LEAST_CONTRAST = 24;
/** The least ink, of 255, that belongs to a digit's box: more than a JPEG's ringing. */
const BOX_INK = 51;
/** Deviations of the border from its median that are taken for paper. */
const NOISE_DEVIATIONS = 4;
/** The most noise as a share of the contrast, so that a digit that touches the border isn't taken for paper. */
const MAX_NOISE = 0.3;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Brings a picture of one digit to MNIST's form: light ink on 0, the longer side scaled to 20 pixels, centred by mass in 28x28. The border
 * shows the paper, so that ink may be dark or light.
 * @returns bytes [28][28], or undefined if nothing is drawn
 */
export function toDigit(image: Grey): Uint8Array | undefined {
  const ink = inkOf(image);
  if (ink === undefined) return undefined;
  const box = boxOf(ink);
  const [x, y] = centreOfMass(ink, box);
  const side = Math.max(box.right - box.left, box.bottom - box.top);
  const fits = side >= FITTING_SIDE && side <= BOX_SIDE;
  const scale = fits ? 1 : BOX_SIDE / side;
  // Whole pixels keep an unscaled digit sharp.
  const start = [x, y].map((centre) => (fits ? Math.round(centre - CENTRE) : centre - CENTRE / scale));
  return stretched(sampled(ink, box, start as [number, number], scale));
}

/** A picture that has MNIST's form but for its ink, which may be dark on light. @returns bytes, or undefined if nothing is drawn */
export function lightOnDark(image: Grey): Uint8Array | undefined {
  const ground = groundOf(image);
  if (ground === undefined) return undefined;
  return ground.isLight ? image.data : image.data.map((value) => 255 - value);
}

/** How far each pixel stands out from the paper, 0 to 255, in the direction that stands out most. */
function inkOf(image: Grey): Grey | undefined {
  const ground = groundOf(image);
  if (ground === undefined) return undefined;
  const { paper, noise, isLight, contrast } = ground;
  const floor = Math.min(NOISE_DEVIATIONS * noise, MAX_NOISE * contrast);
  const levels = Uint8Array.from({ length: 256 }, (_, value) => {
    const distance = (isLight ? value - paper : paper - value) - floor;
    return Math.round((255 * Math.max(0, distance)) / (contrast - floor));
  });
  return { ...image, data: image.data.map((value) => levels[value] as number) };
}

interface Ground {
  readonly paper: number;
  readonly noise: number;
  /** The ink is lighter than the paper. */
  readonly isLight: boolean;
  /** Grey levels between paper and ink. */
  readonly contrast: number;
}

/** What distinguishes ink from paper; undefined if nothing is drawn. */
function groundOf(image: Grey): Ground | undefined {
  const { paper, noise } = paperOf(image);
  let least = 255;
  let max = 0;
  for (const value of image.data) {
    if (value < least) least = value;
    if (value > max) max = value;
  }
  const isLight = max - paper > paper - least;
  const contrast = isLight ? max - paper : paper - least;
  return contrast < LEAST_CONTRAST ? undefined : { paper, noise, isLight, contrast };
}

/** The median of the outermost pixels, and the median of how far they are from it. */
function paperOf({ width, height, data }: Grey): { paper: number; noise: number } {
  const counts = new Uint32Array(256);
  const count = (x: number, y: number): void => {
    const value = data[y * width + x] as number;
    counts[value] = (counts[value] as number) + 1;
  };
  for (let x = 0; x < width; x++) for (const y of [0, height - 1]) count(x, y);
  for (let y = 1; y < height - 1; y++) for (const x of [0, width - 1]) count(x, y);
  const paper = medianOf(counts);
  const deviations = new Uint32Array(256);
  for (const [value, n] of counts.entries()) {
    const distance = Math.abs(value - paper);
    deviations[distance] = (deviations[distance] as number) + n;
  }
  return { paper, noise: medianOf(deviations) };
}

function medianOf(counts: Uint32Array): number {
  let left = counts.reduce((sum, n) => sum + n, 0) / 2;
  return counts.findIndex((n) => {
    left -= n;
    return left <= 0;
  });
}

function boxOf({ width, height, data }: Grey): Box {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((data[y * width + x] as number) < BOX_INK) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  return { left, top, right, bottom };
}

/** The centre of mass of the ink inside the box; a pixel's own centre is at a half. */
function centreOfMass({ width, data }: Grey, { left, top, right, bottom }: Box): [x: number, y: number] {
  let [sum, sumX, sumY] = [0, 0, 0];
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const value = data[y * width + x] as number;
      sum += value;
      sumX += value * (x + 0.5);
      sumY += value * (y + 0.5);
    }
  }
  return [sumX / sum, sumY / sum];
}

/** Mean ink under each of 28x28 squares of 1/scale source pixels, columns first, then rows. */
function sampled(
  { width, height, data }: Grey,
  box: Box,
  start: readonly [number, number],
  scale: number,
): Float64Array {
  const margin = Math.ceil(1 / scale);
  const [left, right] = [Math.max(0, box.left - margin), Math.min(width, box.right + margin)];
  const [top, bottom] = [Math.max(0, box.top - margin), Math.min(height, box.bottom + margin)];
  const columns = windows(start[0], scale, left, right);
  const rows = windows(start[1], scale, top, bottom);
  const narrow = new Float64Array((bottom - top) * DIGIT_SIDE);
  for (let y = top; y < bottom; y++) {
    for (const [i, { from, weights }] of columns.entries()) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (data[y * width + from + k] as number);
      narrow[(y - top) * DIGIT_SIDE + i] = sum;
    }
  }
  const digit = new Float64Array(DIGIT_SIDE * DIGIT_SIDE);
  for (const [j, { from, weights }] of rows.entries()) {
    for (let k = 0; k < weights.length; k++) {
      for (let i = 0; i < DIGIT_SIDE; i++) {
        const at = j * DIGIT_SIDE + i;
        const value = narrow[(from - top + k) * DIGIT_SIDE + i] as number;
        digit[at] = (digit[at] as number) + (weights[k] as number) * value;
      }
    }
  }
  return digit;
}

/** Per target pixel, the source pixels under it and their shares; what lies outside of `first` to `end` is empty. */
function windows(start: number, scale: number, first: number, end: number): { from: number; weights: number[] }[] {
  // Where a digit is enlarged, a window of one source pixel interpolates between two.
  const span = Math.max(1, 1 / scale);
  return Array.from({ length: DIGIT_SIDE }, (_, i) => {
    const middle = start + (i + 0.5) / scale;
    const from = Math.max(first, Math.floor(middle - span / 2));
    const to = Math.min(end, Math.ceil(middle + span / 2));
    const share = (k: number): number => Math.min(k + 1, middle + span / 2) - Math.max(k, middle - span / 2);
    return { from, weights: Array.from({ length: Math.max(0, to - from) }, (_, k) => share(from + k) / span) };
  });
}

/** Thin strokes grow faint as they shrink: the darkest pixel is full ink again. */
function stretched(digit: Float64Array): Uint8Array {
  const max = digit.reduce((found, value) => Math.max(found, value), 0);
  return Uint8Array.from(digit, (value) => Math.round((255 * value) / max));
}
