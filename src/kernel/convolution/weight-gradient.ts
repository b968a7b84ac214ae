/**
 * The gradients of a convolution's weights and biases: sums over positions and lanes. Lanes 0-3 and 4-7 are summed apart,
 * over the positions of a part in order (row, column) from 0 on, then over the parts; then low + high, then lanes
 * (0 + 2) + (1 + 3). A part is max(floor(256 / width), 1) rows, and of a bias one row.
 */
import { horizontalSum } from '../lanes';
import { MapStack } from '../map-stack';
import { BLOCK } from '../math';
import { put } from '../subsample';

/**
 * G[o][k] = sum over y, x and lanes of d[o][y][x] x[y xRow + x xStep + offsets[k]].
 * @param x, xRow, xStep, offsets, taps as `conv` has them
 * @param d f32 deltas of the outputs, BLOCK bytes a column; dRow, dPlane bytes to the next row and map
 * @param gradient f32 [maps][taps], written or added to
 */
export function convWeightGradient(
  x: usize, xRow: usize, xStep: usize, offsets: usize, taps: i32, d: usize, dRow: usize, dPlane: usize,
  maps: i32, height: i32, width: i32, gradient: usize, accumulate: bool,
): void {
  const row = <usize>taps << 2;
  for (; maps >= 2; maps -= 2) {
    let k: i32 = 0;
    for (; k + 4 <= taps; k += 4) {
      const at = <usize>k << 2;
      gradientTile2x4(x, xRow, xStep, offsets + at, d, dRow, dPlane, height, width, gradient + at, row, accumulate);
    }
    for (; k < taps; ++k) {
      const at = <usize>k << 2;
      const from = x + load<usize>(offsets + at);
      gradientTile2x1(from, xRow, xStep, d, dRow, dPlane, height, width, gradient + at, row, accumulate);
    }
    d += 2 * dPlane;
    gradient += 2 * row;
  }
  if (maps > 0) {
    let k: i32 = 0;
    for (; k + 4 <= taps; k += 4) {
      const at = <usize>k << 2;
      gradientTile1x4(x, xRow, xStep, offsets + at, d, dRow, height, width, gradient + at, accumulate);
    }
    for (; k < taps; ++k) {
      const at = <usize>k << 2;
      gradientTile1x1(x + load<usize>(offsets + at), xRow, xStep, d, dRow, height, width, gradient + at, accumulate);
    }
  }
}

/** Positions that are summed one after the other; a longer sum in float32 would lose too many digits. */
const PART = 256;

/** The whole rows that make a part. */
// @ts-ignore: AssemblyScript decorator
@inline
function rowsOfPart(width: i32): i32 {
  return max(PART / width, 1);
}

/** Two maps by four taps, over the low lanes and then the high ones: both at once would spill. */
function gradientTile2x4(
  x: usize, xRow: usize, xStep: usize, offsets: usize, d: usize, dRow: usize, dPlane: usize,
  height: i32, width: i32, gradient: usize, row: usize, accumulate: bool,
): void {
  const zero = f32x4.splat(0);
  const rows = rowsOfPart(width);
  const x1 = load<usize>(offsets, 4) - load<usize>(offsets);
  const x2 = load<usize>(offsets, 8) - load<usize>(offsets);
  const x3 = load<usize>(offsets, 12) - load<usize>(offsets);
  x += load<usize>(offsets);
  let low0 = zero, low1 = zero, low2 = zero, low3 = zero, low4 = zero, low5 = zero, low6 = zero, low7 = zero;
  for (let isHigh = false; ; isHigh = true) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    for (let y: i32 = 0; y < height; ) {
      let a0p = zero, a1p = zero, a2p = zero, a3p = zero, b0p = zero, b1p = zero, b2p = zero, b3p = zero;
      for (const end = min(y + rows, height); y < end; ++y) {
        let p = x + <usize>y * xRow, q = d + <usize>y * dRow;
        const stop = q + <usize>width * BLOCK;
        do {
          const s = v128.load(q), t = v128.load(q + dPlane);
          let u = v128.load(p);
          a0p = f32x4.add(a0p, f32x4.mul(s, u));
          b0p = f32x4.add(b0p, f32x4.mul(t, u));
          u = v128.load(p + x1);
          a1p = f32x4.add(a1p, f32x4.mul(s, u));
          b1p = f32x4.add(b1p, f32x4.mul(t, u));
          u = v128.load(p + x2);
          a2p = f32x4.add(a2p, f32x4.mul(s, u));
          b2p = f32x4.add(b2p, f32x4.mul(t, u));
          u = v128.load(p + x3);
          a3p = f32x4.add(a3p, f32x4.mul(s, u));
          b3p = f32x4.add(b3p, f32x4.mul(t, u));
          p += xStep;
          q += BLOCK;
        } while (q < stop);
      }
      a0 = f32x4.add(a0, a0p), a1 = f32x4.add(a1, a1p), a2 = f32x4.add(a2, a2p), a3 = f32x4.add(a3, a3p);
      b0 = f32x4.add(b0, b0p), b1 = f32x4.add(b1, b1p), b2 = f32x4.add(b2, b2p), b3 = f32x4.add(b3, b3p);
    }
    if (isHigh) {
      putFour(gradient, f32x4.add(low0, a0), f32x4.add(low1, a1), f32x4.add(low2, a2), f32x4.add(low3, a3), accumulate);
      gradient += row;
      putFour(gradient, f32x4.add(low4, b0), f32x4.add(low5, b1), f32x4.add(low6, b2), f32x4.add(low7, b3), accumulate);
      return;
    }
    low0 = a0, low1 = a1, low2 = a2, low3 = a3, low4 = b0, low5 = b1, low6 = b2, low7 = b3;
    x += 16;
    d += 16;
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function putFour(gradient: usize, a: v128, b: v128, c: v128, d: v128, accumulate: bool): void {
  put(gradient, horizontalSum(a), accumulate);
  put(gradient + 4, horizontalSum(b), accumulate);
  put(gradient + 8, horizontalSum(c), accumulate);
  put(gradient + 12, horizontalSum(d), accumulate);
}

function gradientTile2x1(
  x: usize, xRow: usize, xStep: usize, d: usize, dRow: usize, dPlane: usize,
  height: i32, width: i32, gradient: usize, row: usize, accumulate: bool,
): void {
  const zero = f32x4.splat(0);
  const rows = rowsOfPart(width);
  let a = zero, b = zero, e = zero, f = zero;
  for (let y: i32 = 0; y < height; ) {
    let ap = zero, bp = zero, ep = zero, fp = zero;
    for (const end = min(y + rows, height); y < end; ++y) {
      let p = x + <usize>y * xRow;
      let q = d + <usize>y * dRow;
      const stop = q + <usize>width * BLOCK;
      do {
        const u = v128.load(p), v = v128.load(p, 16);
        ap = f32x4.add(ap, f32x4.mul(v128.load(q), u));
        bp = f32x4.add(bp, f32x4.mul(v128.load(q, 16), v));
        ep = f32x4.add(ep, f32x4.mul(v128.load(q + dPlane), u));
        fp = f32x4.add(fp, f32x4.mul(v128.load(q + dPlane, 16), v));
        p += xStep;
        q += BLOCK;
      } while (q < stop);
    }
    a = f32x4.add(a, ap);
    b = f32x4.add(b, bp);
    e = f32x4.add(e, ep);
    f = f32x4.add(f, fp);
  }
  put(gradient, horizontalSum(f32x4.add(a, b)), accumulate);
  put(gradient + row, horizontalSum(f32x4.add(e, f)), accumulate);
}

/** The map that an odd count leaves over; depthwise convolutions have nothing else. */
function gradientTile1x4(
  x: usize, xRow: usize, xStep: usize, offsets: usize, d: usize, dRow: usize,
  height: i32, width: i32, gradient: usize, accumulate: bool,
): void {
  const zero = f32x4.splat(0);
  const rows = rowsOfPart(width);
  const x1 = load<usize>(offsets, 4) - load<usize>(offsets);
  const x2 = load<usize>(offsets, 8) - load<usize>(offsets);
  const x3 = load<usize>(offsets, 12) - load<usize>(offsets);
  x += load<usize>(offsets);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  for (let y: i32 = 0; y < height; ) {
    let a0p = zero, b0p = zero, a1p = zero, b1p = zero, a2p = zero, b2p = zero, a3p = zero, b3p = zero;
    for (const end = min(y + rows, height); y < end; ++y) {
      let p = x + <usize>y * xRow;
      let q = d + <usize>y * dRow;
      const stop = q + <usize>width * BLOCK;
      do {
        const s = v128.load(q), t = v128.load(q, 16);
        a0p = f32x4.add(a0p, f32x4.mul(s, v128.load(p)));
        b0p = f32x4.add(b0p, f32x4.mul(t, v128.load(p, 16)));
        a1p = f32x4.add(a1p, f32x4.mul(s, v128.load(p + x1)));
        b1p = f32x4.add(b1p, f32x4.mul(t, v128.load(p + x1, 16)));
        a2p = f32x4.add(a2p, f32x4.mul(s, v128.load(p + x2)));
        b2p = f32x4.add(b2p, f32x4.mul(t, v128.load(p + x2, 16)));
        a3p = f32x4.add(a3p, f32x4.mul(s, v128.load(p + x3)));
        b3p = f32x4.add(b3p, f32x4.mul(t, v128.load(p + x3, 16)));
        p += xStep;
        q += BLOCK;
      } while (q < stop);
    }
    a0 = f32x4.add(a0, a0p);
    b0 = f32x4.add(b0, b0p);
    a1 = f32x4.add(a1, a1p);
    b1 = f32x4.add(b1, b1p);
    a2 = f32x4.add(a2, a2p);
    b2 = f32x4.add(b2, b2p);
    a3 = f32x4.add(a3, a3p);
    b3 = f32x4.add(b3, b3p);
  }
  putFour(gradient, f32x4.add(a0, b0), f32x4.add(a1, b1), f32x4.add(a2, b2), f32x4.add(a3, b3), accumulate);
}

function gradientTile1x1(
  x: usize, xRow: usize, xStep: usize, d: usize, dRow: usize, height: i32, width: i32, gradient: usize, accumulate: bool,
): void {
  const zero = f32x4.splat(0);
  const rows = rowsOfPart(width);
  let a = zero, b = zero;
  for (let y: i32 = 0; y < height; ) {
    let ap = zero, bp = zero;
    for (const end = min(y + rows, height); y < end; ++y) {
      let p = x + <usize>y * xRow;
      let q = d + <usize>y * dRow;
      const stop = q + <usize>width * BLOCK;
      do {
        ap = f32x4.add(ap, f32x4.mul(v128.load(q), v128.load(p)));
        bp = f32x4.add(bp, f32x4.mul(v128.load(q, 16), v128.load(p, 16)));
        p += xStep;
        q += BLOCK;
      } while (q < stop);
    }
    a = f32x4.add(a, ap);
    b = f32x4.add(b, bp);
  }
  put(gradient, horizontalSum(f32x4.add(a, b)), accumulate);
}

/** The sum of each map's deltas: rows in order, then their sums in order, as lanes above; gradient f32 [maps], written or added to. */
export function biasGradient(d: MapStack, maps: i32, height: i32, width: i32, gradient: usize, accumulate: bool): void {
  for (let m: i32 = 0; m < maps; ++m) put(gradient + (<usize>m << 2), mapSum(d, m, height, width), accumulate);
}

function mapSum(x: MapStack, map: i32, height: i32, width: i32): f32 {
  let a = f32x4.splat(0), b = f32x4.splat(0);
  for (let y: i32 = 0; y < height; ++y) {
    let low = f32x4.splat(0), high = f32x4.splat(0);
    let p = x.at(map, y);
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK) {
      low = f32x4.add(low, v128.load(p));
      high = f32x4.add(high, v128.load(p, 16));
    }
    a = f32x4.add(a, low);
    b = f32x4.add(b, high);
  }
  return horizontalSum(f32x4.add(a, b));
}
