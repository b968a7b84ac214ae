import type { Inputs } from '../../data/dataset.ts';
import type { Shape } from '../../model/shape.ts';

/** 1 as an element of the matrix. */
export const ONE = 2 ** 16;
/** Steps of a position from one pixel to the next. */
export const PIXEL = 256;
/** Zeros before and behind each row and each column of a picture that is interpolated: one before, two behind. */
const PADDING = 3;

/** Displacements that are to be written: how far off each pixel reads, in units of 1 / PIXEL. */
export interface Bend {
  readonly height: number;
  readonly width: number;
  /** No displacement is larger. */
  readonly max: number;
  /** [height][width] */
  readonly x: Int32Array;
  readonly y: Int32Array;
  /** More than (height + 2) · (width + 3) numbers that are there for whoever writes. */
  readonly scratch: Int32Array;
}

/** One map of a sample. */
interface Plane {
  readonly source: Inputs;
  /** The index of the map's first value in `source`, */
  readonly from: number;
  readonly target: Inputs;
  /** and in `target`. */
  readonly to: number;
}

/**
 * Where each pixel of a picture comes from: the position that pixel (x, y) reads is
 *   matrix · ((x, y) + bend(x, y) - move)
 * relative to the middle of the picture, in whole 256ths of a pixel. What lies outside is 0. All of it is whole numbers below 2^53,
 * which float64 holds exactly: docs/determinism.md.
 */
export class Geometry {
  readonly #height: number;
  readonly #width: number;
  readonly #maps: number;
  /** Row by row, in units of 1 / ONE. */
  #matrix: readonly [number, number, number, number] = [ONE, 0, 0, ONE];
  #down = 0;
  #right = 0;
  #bends = false;
  readonly #bend: Bend & { max: number };
  /** [maps][height + PADDING][width + PADDING] */
  readonly #padded: Uint8Array;

  constructor({ maps, height, width }: Shape) {
    this.#height = height;
    this.#width = width;
    this.#maps = maps;
    this.#padded = new Uint8Array(maps * (height + PADDING) * (width + PADDING));
    const field = (): Int32Array => new Int32Array(height * width);
    this.#bend = { height, width, max: 0, x: field(), y: field(), scratch: new Int32Array((height + 3) * (width + 3)) };
  }

  /** Back to every pixel in its own place. */
  reset(): void {
    this.#matrix = [ONE, 0, 0, ONE];
    this.#down = 0;
    this.#right = 0;
    this.#bends = false;
  }

  /** Turns or stretches what there is: positions are multiplied by this matrix first, [x from x, x from y, y from x, y from y]. */
  multiply([a, b, c, d]: readonly [number, number, number, number]): void {
    const [e, f, g, h] = this.#matrix;
    const rounded = (sum: number): number => Math.floor((sum + ONE / 2) / ONE);
    this.#matrix = [rounded(e * a + f * c), rounded(e * b + f * d), rounded(g * a + h * c), rounded(g * b + h * d)];
  }

  /** Moves what there is by whole pixels. */
  move(down: number, right: number): void {
    this.#down += down;
    this.#right += right;
  }

  /** Bends what there is, by the displacements that the caller writes. @param max the largest of them, in units of 1 / PIXEL */
  bend(max: number): Bend {
    this.#bends = true;
    this.#bend.max = max;
    return this.#bend;
  }

  /** Writes a sample's pixels [maps][height][width] to where they move. @param from the index of its first value in `source` */
  transform(source: Inputs, from: number, target: Inputs): void {
    const [a, b, c, d] = this.#matrix;
    if (this.#bends || b !== 0 || c !== 0 || Math.abs(a) !== ONE || d !== ONE) {
      this.#interpolate(source, from, target);
      return;
    }
    const plane = this.#height * this.#width;
    for (let first = 0; first < this.#maps * plane; first += plane)
      this.#copy({ source, from: from + first, target, to: first }, a < 0);
  }

  /** What `#interpolate` computes if positions are whole pixels: values of any kind are copied. */
  #copy({ source, from, target, to }: Plane, isMirrored: boolean): void {
    const [height, width] = [this.#height, this.#width];
    const [down, right] = [this.#down, this.#right];
    const begin = Math.min(Math.max(right, 0), width);
    const end = Math.max(Math.min(width + right, width), begin);
    for (let y = 0; y < height; y++) {
      const row = y - down;
      const at = to + y * width;
      if (row < 0 || row >= height) {
        target.fill(0, at, at + width);
        continue;
      }
      for (let x = 0; x < begin; x++) target[at + x] = 0;
      const first = from + row * width;
      if (isMirrored) {
        const last = first + width - 1 + right;
        for (let x = begin; x < end; x++) target[at + x] = source[last - x] as number;
      } else for (let x = begin; x < end; x++) target[at + x] = source[first + x - right] as number;
      for (let x = end; x < width; x++) target[at + x] = 0;
    }
  }

  /** Bilinear, between the four pixels around a position, rounded to the nearest byte. */
  #interpolate(source: Inputs, from: number, target: Inputs): void {
    const [height, width] = [this.#height, this.#width];
    const [maxX, maxY] = [PIXEL * width, PIXEL * height];
    const [a, b, c, d] = this.#matrix;
    const bend = this.#bends ? this.#bend : undefined;
    const [middleX, middleY] = [(PIXEL / 2) * (width - 1), (PIXEL / 2) * (height - 1)];
    const [left, top] = [PIXEL * this.#right + middleX, PIXEL * this.#down + middleY];
    const [plane, stride] = [this.#fillPadded(source, from), width + PADDING];
    const padded = this.#padded;
    // The same numbers by shifts, as long as they have 32 bits: that is faster.
    const isSmall =
      this.#reach(left, top, bend) * Math.max(Math.abs(a) + Math.abs(b), Math.abs(c) + Math.abs(d)) < 2 ** 31 - ONE;
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const u = PIXEL * x - left + (bend === undefined ? 0 : (bend.x[i] as number));
        const v = PIXEL * y - top + (bend === undefined ? 0 : (bend.y[i] as number));
        const sumX = a * u + b * v + ONE / 2;
        const sumY = c * u + d * v + ONE / 2;
        const px = (isSmall ? sumX >> 16 : Math.floor(sumX / ONE)) + middleX;
        const py = (isSmall ? sumY >> 16 : Math.floor(sumY / ONE)) + middleY;
        // Where nothing but the padding is read.
        const nearX = (px < -PIXEL ? -PIXEL : px > maxX ? maxX : px) + PIXEL;
        const nearY = (py < -PIXEL ? -PIXEL : py > maxY ? maxY : py) + PIXEL;
        const right = nearX & 255;
        const below = nearY & 255;
        let at = (nearY >> 8) * stride + (nearX >> 8);
        for (let out = i; out < target.length; out += height * width, at += plane) {
          const above = (PIXEL - right) * (padded[at] as number) + right * (padded[at + 1] as number);
          const under = (PIXEL - right) * (padded[at + stride] as number) + right * (padded[at + stride + 1] as number);
          target[out] = ((PIXEL - below) * above + below * under + ONE / 2) >> 16;
        }
      }
    }
  }

  /** No position, relative to the middle, is further from it than this in either direction before it is multiplied. */
  #reach(left: number, top: number, bend: Bend | undefined): number {
    const reach = (begin: number, length: number): number =>
      Math.max(Math.abs(begin), Math.abs(PIXEL * length - begin));
    return Math.max(reach(left, this.#width), reach(top, this.#height)) + (bend?.max ?? 0);
  }

  /** Puts a sample between zeros. @returns the numbers of a map */
  #fillPadded(source: Inputs, from: number): number {
    const [height, width] = [this.#height, this.#width];
    const stride = width + PADDING;
    const plane = stride * (height + PADDING);
    for (let map = 0, i = from; map < this.#maps; map++)
      for (let y = 0; y < height; y++) {
        const row = map * plane + (y + 1) * stride + 1;
        for (let x = 0; x < width; x++, i++) this.#padded[row + x] = source[i] as number;
      }
    return plane;
  }
}
