import { type Bend, PIXEL } from './geometry.ts';
import { type GeometryKind, symmetric } from './kind.ts';

/** Pixels from one control point to the next. */
const SPACING = 8;
/** Of the weights of a pixel. */
const WHOLE = 2 * SPACING * SPACING;

/** [phase][3]: what the three control points around a pixel contribute in one direction, in units of 1 / WHOLE. */
const WEIGHTS = Int32Array.from({ length: 3 * SPACING }, (_, i) => {
  const phase = Math.floor(i / 3);
  const [before, behind] = [(SPACING - phase) ** 2, phase * phase];
  return [before, WHOLE - before - behind, behind][i % 3] as number;
});

/**
 * Bent as handwriting varies: P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks", ICDAR 2003.
 * Displacements are drawn at control points and smoothed by quadratic B-splines between them, which is what a box filter as wide as
 * their spacing does to them if it is applied three times. The smoothing's standard deviation is 4 pixels, that of a displacement
 * 0.32 of the strength.
 */
export const ELASTIC: GeometryKind = {
  name: 'elastic',
  help: 'bent, by control points that move by up to this',
  number: 5,
  strength: { default: 3, max: 32, step: 0.25, unit: 'pixels' },
  needsBytes: true,
  stage: 'geometry',
  apply(geometry, pixels, stream) {
    const bound = PIXEL * pixels;
    const bend = geometry.bend(bound);
    const draw = (): number => symmetric(stream, bound);
    smooth(draw, bend.x, bend);
    smooth(draw, bend.y, bend);
  },
};

/** As shifts, which are cheaper than divisions and mean the same for numbers of 32 bits. */
const LOG2_SPACING = 3;
const LOG2_WHOLE_SQUARED = 14;

/** Writes a field [height][width] from control points that are drawn row by row. */
function smooth(draw: () => number, field: Int32Array, { height, width, scratch }: Bend): void {
  const points = Math.floor((width - 1) / SPACING) + 3;
  const lines = Math.floor((height - 1) / SPACING) + 3;
  const rows = scratch.subarray(points);
  for (let line = 0; line < lines; line++) {
    for (let point = 0; point < points; point++) scratch[point] = draw();
    for (let x = 0; x < width; x++) rows[line * width + x] = weighted(scratch, x >> LOG2_SPACING, 1, x & (SPACING - 1));
  }
  for (let y = 0; y < height; y++) {
    const first = (y >> LOG2_SPACING) * width;
    for (let x = 0; x < width; x++) {
      const sum = weighted(rows, first + x, width, y & (SPACING - 1));
      field[y * width + x] = (sum + (WHOLE * WHOLE) / 2) >> LOG2_WHOLE_SQUARED;
    }
  }
}

/** The weighted sum of three values, `step` apart. */
function weighted(values: Int32Array, first: number, step: number, phase: number): number {
  const weight = 3 * phase;
  const a = (values[first] as number) * (WEIGHTS[weight] as number);
  const b = (values[first + step] as number) * (WEIGHTS[weight + 1] as number);
  return a + b + (values[first + 2 * step] as number) * (WEIGHTS[weight + 2] as number);
}
