import { PhiloxStream, PURPOSE } from '../../util/philox.ts';
import { type Arrays, type Dataset, OWN_ARRAYS, type Split } from '../dataset.ts';
import { GLYPHS, type Glyph } from '../glyphs.ts';
import { idxHeaderBytes } from '../idx.ts';
import { idxDigest } from '../idx-digest.ts';
import { MNIST_FILES, MNIST_SHAPE, shapeOfFiles } from '../mnist-files.ts';
import { type Canvas, drawCurve, type Pen, type Point } from '../pen.ts';
import type { DataSource } from '../source.ts';

/** The digest of the data set in its default size, the same everywhere. */
export const SYNTHETIC_SHA256 = 'd529a61d21784944c8a8dd11e7f90bc0b3ef3fa5f14bc5d676da1d0ea8461fdd';

/** Rows and columns of an image. */
const SIDE = MNIST_SHAPE.height;
const TWO_32 = 2 ** 32;
/** The last one there is, so that a run's own seed is hardly ever the same. */
const SEED = Number.MAX_SAFE_INTEGER;
/** Stream of the first test image: beyond any number of training images. */
const FIRST_TEST = TWO_32;
/** Height and width of the box that glyphs are written in. */
const BOX = 20;
/** Farthest that a control point strays from its place in the box, in each direction. */
const WOBBLE = 3.5;

export interface SyntheticOptions {
  readonly arrays?: Arrays;
  readonly train?: number;
  readonly test?: number;
}

/**
 * Digits drawn from strokes, in MNIST's shape: 28x28, by default 60,000 for training and 10,000 for testing. The same
 * bytes everywhere; an image depends on its index alone. The digest is that of four IDX files with MNIST's names.
 */
export function syntheticDataset({
  arrays = OWN_ARRAYS,
  train: trained = 60_000,
  test: tested = 10_000,
}: SyntheticOptions = {}): Dataset {
  const train = drawSplit(arrays, trained, 0);
  const test = drawSplit(arrays, tested, FIRST_TEST);
  return { name: 'synthetic', train, test, ...MNIST_SHAPE, sha256: idxDigest({ train, test, ...MNIST_SHAPE }) };
}

/** Synthetic digits in their default size. */
export const SYNTHETIC: DataSource = {
  name: 'synthetic',
  title: 'SYNTHETIC digits',
  licence: "Lockstep's own",
  sha256: SYNTHETIC_SHA256,
  shape: shapeOfFiles(MNIST_FILES),
  classNames: MNIST_SHAPE.classNames,
  preparation: { kind: 'ink' },
  isComputed: true,
  open: async ({ arrays }) => syntheticDataset({ arrays }),
};

/** `first` is the stream of the first image. */
function drawSplit(arrays: Arrays, count: number, first: number): Split {
  // As long as MNIST's own file, so that an attempt to read that leaves an array that is used here.
  const header = idxHeaderBytes(3);
  const inputs = arrays.bytes(header + count * SIDE * SIDE).subarray(header);
  const targets = arrays.uint16(count);
  const stream = new PhiloxStream(SEED, PURPOSE.augmentation);
  const canvas = { pixels: new Uint8Array(SIDE * SIDE), side: SIDE };
  for (let i = 0; i < count; i++) {
    stream.seek(first + i);
    targets[i] = drawDigit(canvas, stream);
    inputs.set(canvas.pixels, i * SIDE * SIDE);
  }
  return { inputs, targets, count };
}

/** @returns the digit, 0..9 */
function drawDigit(canvas: Canvas, stream: PhiloxStream): number {
  const between = (low: number, high: number): number => low + (high - low) * (stream.next() / TWO_32);
  /** -size..size, values near 0 more often */
  const around = (size: number): number => between(-size / 2, size / 2) + between(-size / 2, size / 2);
  const digit = stream.below(GLYPHS.length);
  const ways = GLYPHS[digit] as readonly Glyph[];
  const glyph = ways[stream.below(ways.length)] as Glyph;
  const pen: Pen = { radius: between(0.6, 1.9), ink: between(110, 255.99) };
  const [width, height] = [between(0.5, 1.05), between(0.65, 1.05)];
  const [slant, tilt] = [0.15 + around(0.6), around(0.3)];
  const [right, down] = [around(4), around(3)];
  canvas.pixels.fill(0);
  for (const stroke of glyph) {
    let last: { readonly at: Point; readonly drawn: Point } | undefined;
    const points = stroke.map((at): Point => {
      // A corner stays one: the same point twice.
      if (last !== undefined && at[0] === last.at[0] && at[1] === last.at[1]) return last.drawn;
      const [x, y] = [width * (at[0] + around(WOBBLE) - BOX / 2), height * (at[1] + around(WOBBLE) - BOX / 2)];
      const drawn: Point = [SIDE / 2 + right + x - slant * y, SIDE / 2 + down + y + tilt * x];
      last = { at, drawn };
      return drawn;
    });
    drawCurve(canvas, points, pen);
  }
  return digit;
}
