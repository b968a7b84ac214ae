/** A point in pixels from the upper left corner of the upper left pixel; y downwards. */
export type Point = readonly [x: number, y: number];

export interface Pen {
  /** Half the thickness of a line, in pixels. */
  readonly radius: number;
  /** 0..255 */
  readonly ink: number;
}

/** Square images of bytes, 0 is background. */
export interface Canvas {
  readonly pixels: Uint8Array;
  readonly side: number;
}

const ROUNDS = 2;
/** Half the width of a line's soft edge, in pixels. */
const SOFT = 0.6;

// Only additions, multiplications, divisions and comparisons of float64, which IEEE 754 defines to the last bit: the
// pictures are the same bytes on every engine. Math.sqrt, sin and their like are not so defined.

/** Draws a smooth curve by its control points: it starts and ends in them, and keeps a corner if one is repeated. */
export function drawCurve(canvas: Canvas, points: readonly Point[], pen: Pen): void {
  let curve = points;
  for (let round = 0; round < ROUNDS; round++) curve = cutCorners(curve);
  for (let i = 1; i < curve.length; i++) drawLine(canvas, curve[i - 1] as Point, curve[i] as Point, pen);
}

/** One round of Chaikin's corner cutting: G. Chaikin, "An algorithm for high-speed curve generation", 1974. */
function cutCorners(points: readonly Point[]): Point[] {
  const cut: Point[] = [points[0] as Point];
  for (let i = 1; i < points.length; i++) {
    const [ax, ay] = points[i - 1] as Point;
    const [bx, by] = points[i] as Point;
    cut.push([0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by], [0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by]);
  }
  cut.push(points.at(-1) as Point);
  return cut;
}

/** Ink by the squared distance of a pixel's centre to the line, falling to 0 over the soft edge. */
function drawLine({ pixels, side }: Canvas, [ax, ay]: Point, [bx, by]: Point, { radius, ink }: Pen): void {
  const [dx, dy] = [bx - ax, by - ay];
  const length2 = dx * dx + dy * dy;
  const outer = radius + SOFT;
  const inner = Math.max(0, radius - SOFT);
  const outer2 = outer * outer;
  const slope = ink / (outer2 - inner * inner);
  const [left, right] = reach(ax, bx, outer, side);
  const [top, bottom] = reach(ay, by, outer, side);
  for (let row = top; row < bottom; row++) {
    const y = row + 0.5 - ay;
    for (let column = left; column < right; column++) {
      const x = column + 0.5 - ax;
      const along = length2 === 0 ? 0 : Math.min(1, Math.max(0, (x * dx + y * dy) / length2));
      const [ex, ey] = [x - along * dx, y - along * dy];
      const value = Math.floor(Math.min(ink, slope * (outer2 - ex * ex - ey * ey)));
      const pixel = row * side + column;
      if (value > (pixels[pixel] as number)) pixels[pixel] = value;
    }
  }
}

/** The pixels that a line from a to b may touch along one axis: from the first one to the one after the last. */
function reach(a: number, b: number, outer: number, side: number): [number, number] {
  return [Math.max(0, Math.floor(Math.min(a, b) - outer)), Math.min(side, Math.floor(Math.max(a, b) + outer) + 1)];
}
