// Pictures become samples by whole numbers alone: libraries' resizing gives other bytes on other processors. Each value is the exact
// mean of what it covers, rounded once: sums stay below 2^53, where float64 has every whole number.
import type { Resize } from '../data/preparation.ts';
import type { Shape } from '../model/shape.ts';
import { BACKGROUND, over, type Pixels } from './pixels.ts';

/** What pictures become if nothing says otherwise: as with photographs, the edges matter least. */
export const DEFAULT_RESIZE: Resize = 'cover';

/** What lies outside of a picture that is kept whole: black, as the zeros that convolutions pad with. */
const BORDER = 0;
/** Luma of red, green and blue in thousandths (ITU-R BT.601). */
const LUMA = [299, 587, 114] as const;

interface Size {
  readonly width: number;
  readonly height: number;
}

/** A picture's values, [height][width], every `step` bytes from `first` on. */
interface Plane extends Size {
  readonly data: Uint8Array;
  readonly first: number;
  readonly step: number;
}

/** Where `count` values lie along a picture's axis; a pixel k covers [k·unit, (k+1)·unit), value i [start + i·step, start + (i+1)·step). */
interface Axis {
  readonly count: number;
  readonly start: number;
  readonly step: number;
  readonly unit: number;
}

/** The pixels under each value, and their shares, which are whole numbers: arrays without objects, for the innermost loops. */
interface Windows {
  /** [value] the first pixel. */
  readonly from: Int32Array;
  /** [value + 1] where a value's shares begin; at the next they end. */
  readonly begin: Int32Array;
  readonly shares: Float64Array;
  /** Of each window's shares. */
  readonly sum: number;
}

/**
 * A sample [maps][height][width] of a picture: one map has its luma, three its colours; what is transparent is white.
 * @param resize contain: whole, with black borders; cover: its middle part; stretch: distorted
 */
export function sampleOf(pixels: Pixels, { maps, height, width }: Shape, resize: Resize): Uint8Array {
  const opaque = pixels.channels % 2 === 0 ? over(pixels, BACKGROUND) : pixels;
  const inner = resize === 'contain' ? innerSize(opaque, { width, height }) : { width, height };
  const axes = resize === 'cover' ? coveringAxes(opaque, inner) : stretchedAxes(opaque, inner);
  const sample = new Uint8Array(maps * height * width).fill(BORDER);
  const corner = Math.floor((height - inner.height) / 2) * width + Math.floor((width - inner.width) / 2);
  for (let map = 0; map < maps; map++) {
    const values = resampled(planeOf(opaque, maps, map), axes);
    for (let y = 0; y < inner.height; y++) {
      const row = values.subarray(y * inner.width, (y + 1) * inner.width);
      sample.set(row, map * height * width + corner + y * width);
    }
  }
  return sample;
}

/** @param pixels without alpha */
function planeOf({ width, height, channels, data }: Pixels, maps: number, map: number): Plane {
  if (channels === 1) return { width, height, data, first: 0, step: 1 };
  if (maps > 1) return { width, height, data, first: map, step: channels };
  const luma = new Uint8Array(width * height);
  const [red, green, blue] = LUMA;
  for (let p = 0, i = 0; p < luma.length; p++, i += channels) {
    const sum = red * (data[i] as number) + green * (data[i + 1] as number) + blue * (data[i + 2] as number);
    luma[p] = Math.floor((sum + 500) / 1000);
  }
  return { width, height, data: luma, first: 0, step: 1 };
}

/** The largest size of the picture's proportions that fits. */
function innerSize(picture: Size, { width, height }: Size): Size {
  const isWide = width * picture.height <= height * picture.width;
  return isWide
    ? { width, height: Math.max(1, nearest(picture.height * width, picture.width)) }
    : { width: Math.max(1, nearest(picture.width * height, picture.height)), height };
}

function stretchedAxes(picture: Size, { width, height }: Size): readonly [columns: Axis, rows: Axis] {
  return [
    { count: width, start: 0, step: picture.width, unit: width },
    { count: height, start: 0, step: picture.height, unit: height },
  ];
}

/** Of the picture's middle part that has the sample's proportions. */
function coveringAxes(picture: Size, { width, height }: Size): readonly [columns: Axis, rows: Axis] {
  const [across, down] = [picture.width * height, picture.height * width];
  // One axis is whole; the other has the same scale, in units of half of it, since a half may be cut off on each side.
  const axis = (count: number, spare: number, whole: number, unit: number): Axis => ({
    ...{ count, start: spare, step: 2 * whole, unit: 2 * unit },
  });
  return across >= down
    ? [axis(width, across - down, picture.height, height), axis(height, 0, picture.height, height)]
    : [axis(width, 0, picture.width, width), axis(height, down - across, picture.width, width)];
}

function windowsOf({ count, start, step, unit }: Axis, pixels: number): Windows {
  // Where a picture is enlarged, a window of one pixel interpolates between two. In halves, since its middle may be one.
  const span = 2 * Math.max(step, unit);
  const pixel = 2 * unit;
  const from = new Int32Array(count);
  const begin = new Int32Array(count + 1);
  const shares: number[] = [];
  for (let i = 0; i < count; i++) {
    const first = 2 * start + (2 * i + 1) * step - span / 2;
    const end = first + span;
    from[i] = Math.max(0, Math.floor(first / pixel));
    const to = Math.min(pixels, Math.ceil(end / pixel));
    for (let k = from[i] as number; k < to; k++) {
      // The first and the last pixel go on beyond the picture's edge.
      const left = k === 0 ? first : Math.max(k * pixel, first);
      shares.push((k === pixels - 1 ? end : Math.min((k + 1) * pixel, end)) - left);
    }
    begin[i + 1] = shares.length;
  }
  return { from, begin, shares: Float64Array.from(shares), sum: span };
}

/** [rows][columns] */
function resampled(plane: Plane, [across, down]: readonly [columns: Axis, rows: Axis]): Uint8Array {
  const columns = windowsOf(across, plane.width);
  const rows = windowsOf(down, plane.height);
  const total = columns.sum * rows.sum;
  const values = new Uint8Array(across.count * down.count);
  const sums = new Float64Array(across.count);
  const narrow = new Float64Array(across.count);
  let narrowed = -1;
  for (let j = 0; j < down.count; j++) {
    sums.fill(0);
    let y = rows.from[j] as number;
    for (let k = rows.begin[j] as number; k < (rows.begin[j + 1] as number); k++, y++) {
      // The row that two windows share is the last of the one and the first of the other.
      if (narrowed !== y) narrowRow(plane, y, columns, narrow);
      narrowed = y;
      const share = rows.shares[k] as number;
      for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + share * (narrow[i] as number);
    }
    for (let i = 0; i < sums.length; i++) values[j * sums.length + i] = nearest(sums[i] as number, total);
  }
  return values;
}

function narrowRow({ width, data, first, step }: Plane, y: number, columns: Windows, to: Float64Array): void {
  const { from, begin, shares } = columns;
  const start = first + y * width * step;
  for (let i = 0; i < to.length; i++) {
    let at = start + (from[i] as number) * step;
    let sum = 0;
    for (let k = begin[i] as number; k < (begin[i + 1] as number); k++, at += step) {
      sum += (shares[k] as number) * (data[at] as number);
    }
    to[i] = sum;
  }
}

/** Halves upwards. */
function nearest(numerator: number, denominator: number): number {
  return Math.floor((2 * numerator + denominator) / (2 * denominator));
}
