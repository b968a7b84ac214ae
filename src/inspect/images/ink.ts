import { type Component, componentsOf } from './components.ts';

/** Grey values [height][width], 0 black to 255 white. */
export interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** MNIST's digits, 28 pixels wide, were scaled to fit a box of 20, then centred by mass on the middle of pixel 14. */
const MNIST_SIDE = 28;
const MNIST_BOX = 20;
const MNIST_CENTRE = 14.5;
/** What is drawn and whose longer side is from this to the whole of the box fits already: scaling it would only blur. */
const FITTING = 0.9;
/** Grey levels between paper and ink, below which nothing counts as drawn. */
const LEAST_CONTRAST = 24;
/** The least ink, of 255, that belongs to the box of what is drawn: more than a JPEG's ringing. */
const BOX_INK = 51;
/**
 * Ink that touches no other is dust if it has less than this share of the largest ink, and is no longer than this share of the picture's
 * shorter side: in pictures of less than 50 pixels, such as MNIST's own, none is. Beside or within what is drawn dust counts.
 */
const DUST = 1 / 100;
const DUST_SIDE = 1 / 50;
/** How far dust is from the box of what is drawn, at least, as a share of the box's longer side. */
const DUST_DISTANCE = 1 / 20;
/** Ink that lies wholly in this share of the picture's shorter side along its edges is a scanner's. */
const EDGE = 0.03;
/** With more pieces of ink than this the picture is grain, and all of it counts. */
const MAX_PIECES = 65_536;
/** Deviations of the border from its median that are taken for paper. */
const NOISE_DEVIATIONS = 4;
/** The most noise as a share of the contrast, so that ink that touches the border isn't taken for paper. */
const MAX_NOISE = 0.3;

/** Where MNIST would have what is drawn, in pictures of another size. */
interface Form {
  /** Rows and columns. */
  readonly side: number;
  readonly box: number;
  /** Of mass, along both axes. */
  readonly centre: number;
}

interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * Brings a picture of one thing drawn on paper, such as a digit, to MNIST's form: light ink on 0, the longer side scaled to five sevenths of
 * the picture's, centred by mass. The border shows the paper, so that ink may be dark or light.
 * @returns bytes [side][side], or undefined if nothing is drawn
 */
export function inkPicture(image: Grey, side: number): Uint8Array | undefined {
  const ink = inkOf(image);
  if (ink === undefined) return undefined;
  const form = { side, box: (MNIST_BOX * side) / MNIST_SIDE, centre: (MNIST_CENTRE * side) / MNIST_SIDE };
  const box = boxOf(ink);
  const [x, y] = centreOfMass(ink, box);
  const longer = longerSide(box);
  const fits = longer >= FITTING * form.box && longer <= form.box;
  const scale = fits ? 1 : form.box / longer;
  // Whole pixels keep unscaled ink sharp.
  const start = [x, y].map((centre) => (fits ? Math.round(centre - form.centre) : centre - form.centre / scale));
  return stretched(sampled(ink, { box, start: start as [number, number], scale, form }));
}

/** A picture that has that form but for its ink, which may be dark on light. @returns bytes, or undefined if nothing is drawn */
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

/** What is drawn: all ink but dust far from the rest, and thin strips at the picture's edges. */
function boxOf(ink: Grey): Box {
  const pieces = componentsOf(ink, { threshold: BOX_INK, max: MAX_PIECES });
  if (pieces === undefined) return boxOfAll(ink);
  const side = Math.min(ink.width, ink.height);
  const edge = Math.floor(EDGE * side);
  const inside = pieces.filter(({ depth }) => depth > edge);
  const drawn = inside.length === 0 ? pieces : inside;
  const largest = drawn.reduce((most, { mass }) => Math.max(most, mass), 0);
  const isDust = (piece: Component): boolean => piece.mass < DUST * largest && longerSide(piece) <= DUST_SIDE * side;
  const box = around(drawn.filter((piece) => !isDust(piece)));
  const reach = DUST_DISTANCE * longerSide(box);
  const isNear = (piece: Component): boolean =>
    piece.right >= box.left - reach &&
    piece.left <= box.right + reach &&
    piece.bottom >= box.top - reach &&
    piece.top <= box.bottom + reach;
  return around([box, ...drawn.filter(isNear)]);
}

function longerSide({ left, top, right, bottom }: Box): number {
  return Math.max(right - left, bottom - top);
}

function around(boxes: readonly Box[]): Box {
  return boxes.reduce((all, each) => ({
    left: Math.min(all.left, each.left),
    top: Math.min(all.top, each.top),
    right: Math.max(all.right, each.right),
    bottom: Math.max(all.bottom, each.bottom),
  }));
}

function boxOfAll({ width, height, data }: Grey): Box {
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

interface Sampling {
  readonly box: Box;
  readonly start: readonly [x: number, y: number];
  readonly scale: number;
  readonly form: Form;
}

/** Mean ink under each of side x side squares of 1/scale source pixels, columns first, then rows. */
function sampled({ width, height, data }: Grey, { box, start, scale, form: { side } }: Sampling): Float64Array {
  const margin = Math.ceil(1 / scale);
  const [left, right] = [Math.max(0, box.left - margin), Math.min(width, box.right + margin)];
  const [top, bottom] = [Math.max(0, box.top - margin), Math.min(height, box.bottom + margin)];
  const columns = windows(start[0], scale, side, [left, right]);
  const rows = windows(start[1], scale, side, [top, bottom]);
  const narrow = new Float64Array((bottom - top) * side);
  for (let y = top; y < bottom; y++) {
    for (const [i, { from, weights }] of columns.entries()) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (data[y * width + from + k] as number);
      narrow[(y - top) * side + i] = sum;
    }
  }
  const picture = new Float64Array(side * side);
  for (const [j, { from, weights }] of rows.entries()) {
    for (let k = 0; k < weights.length; k++) {
      for (let i = 0; i < side; i++) {
        const at = j * side + i;
        const value = narrow[(from - top + k) * side + i] as number;
        picture[at] = (picture[at] as number) + (weights[k] as number) * value;
      }
    }
  }
  return picture;
}

/** Source pixels under a target pixel, and their shares. */
export interface Window {
  readonly from: number;
  readonly weights: readonly number[];
}

/** The windows of `count` target pixels of 1/scale source pixels each; what lies outside of first to end is empty. */
export function windows(
  start: number,
  scale: number,
  count: number,
  [first, end]: readonly [first: number, end: number],
): Window[] {
  // Where a picture is enlarged, a window of one source pixel interpolates between two.
  const span = Math.max(1, 1 / scale);
  return Array.from({ length: count }, (_, i) => {
    const middle = start + (i + 0.5) / scale;
    const from = Math.max(first, Math.floor(middle - span / 2));
    const to = Math.min(end, Math.ceil(middle + span / 2));
    const share = (k: number): number => Math.min(k + 1, middle + span / 2) - Math.max(k, middle - span / 2);
    return { from, weights: Array.from({ length: Math.max(0, to - from) }, (_, k) => share(from + k) / span) };
  });
}

/** Thin strokes grow faint as they shrink: the darkest pixel is full ink again. */
function stretched(picture: Float64Array): Uint8Array {
  const max = picture.reduce((found, value) => Math.max(found, value), 0);
  return Uint8Array.from(picture, (value) => Math.round((255 * value) / max));
}
