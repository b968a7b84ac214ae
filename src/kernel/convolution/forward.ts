/**
 * Any convolution, and the gradient of its input, as a sum over taps: each tap is the byte offset of what it reads, relative
 * to the output's position. Kernel size, padding, dilation, groups and connection tables are all in the offsets.
 */
import { biasAt } from '../lanes';
import { TINY } from '../math';

/** Output maps whose weights lie side by side: packed weights are f32 [maps / PACKED_MAPS][taps][PACKED_MAPS]. */
export const PACKED_MAPS: i32 = 2;

const CACHE_LINE: usize = 64;

/** Pairs of maps from which on a row's inputs are read so often that touching them first costs next to nothing. */
const MANY_PAIRS: i32 = 4;

/**
 * out[o][y][x] = bias[o] + sum over taps k, ascending, of W[o][k] x[y xRow + x xStep + offsets[k]]: one float32
 * multiplication and one addition a tap, whatever the tile.
 * @param x where the first tap's offset counts from, for output (0, 0)
 * @param xRow, xStep bytes in x from an output's row, and column, to the next one's
 * @param offsets i32 [taps], bytes; `taps` may be 0
 * @param packed f32 [maps rounded up to PACKED_MAPS / PACKED_MAPS][taps][PACKED_MAPS]
 * @param bias f32 [maps]; 0: none
 * @param out f32; outRow, outStep, outPlane bytes to the next row, column and map
 * @param flush 1 sets results below TINY to 0: deltas, which are products of small factors
 */
export function conv(
  x: usize, xRow: usize, xStep: usize, offsets: usize, taps: i32, packed: usize, bias: usize,
  maps: i32, height: i32, width: i32, out: usize, outRow: usize, outStep: usize, outPlane: usize, flush: i32,
): void {
  const end = offsets + (<usize>taps << 2);
  const tiny: f32 = flush ? TINY : 0;
  const pairs = maps >> 1;
  const last = <usize>pairs;
  for (let y: i32 = 0; y < height; ++y) {
    if (pairs >= MANY_PAIRS) touchRow(x, xStep, offsets, end, width);
    let left = width;
    let from = x;
    let to = out;
    for (; left >= 2; left -= 2) {
      tiles2x2(from, xStep, offsets, end, packed, bias, pairs, to, outStep, outPlane, tiny);
      from += 2 * xStep;
      to += 2 * outStep;
    }
    if (left > 0) tiles1x2(from, offsets, end, packed, bias, pairs, to, outPlane, tiny);
    if (maps & 1) {
      const weights = packed + last * (<usize>taps << 3);
      const b = bias == 0 ? <f32>0 : load<f32>(bias + (last << 3));
      rowOfOneMap(x, xStep, offsets, end, weights, b, width, out + 2 * last * outPlane, outStep, tiny);
    }
    x += xRow;
    out += outRow;
  }
}

/**
 * Reads a line of the cache in each place of a row's inputs, so that many are fetched at a time; tiles would wait for one
 * after the other. A load whose value is dropped stays, since it could trap.
 */
function touchRow(x: usize, xStep: usize, offsets: usize, end: usize, width: i32): void {
  const reach = <usize>(width - 1) * xStep;
  for (; offsets < end; offsets += 4) {
    let p = x + load<usize>(offsets);
    for (const last = p + reach; p <= last; p += CACHE_LINE) load<u8>(p);
  }
}

/** Lanes below `tiny` become 0; with 0 nothing does. */
// @ts-ignore: AssemblyScript decorator
@inline
function flushBelow(x: v128, tiny: v128): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), tiny));
}

/** Two neighbouring positions of all pairs of maps. */
function tiles2x2(
  x: usize, xStep: usize, offsets: usize, end: usize, w: usize, bias: usize, pairs: i32,
  out: usize, outStep: usize, outPlane: usize, flush: f32,
): void {
  for (let pair: i32 = 0; pair < pairs; ++pair) {
    // First map: a, b at the first position, c, d at the second; likewise e to h of the second map.
    let a = biasAt(bias, 2 * pair), b = a, c = a, d = a;
    let e = biasAt(bias, 2 * pair + 1), f = e, g = e, h = e;
    let tap = offsets;
    if (tap < end) {
      do {
        let p = x + load<usize>(tap);
        const s = v128.load32_splat(w), t = v128.load32_splat(w, 4);
        let u = v128.load(p), v = v128.load(p, 16);
        a = f32x4.add(a, f32x4.mul(s, u));
        b = f32x4.add(b, f32x4.mul(s, v));
        e = f32x4.add(e, f32x4.mul(t, u));
        f = f32x4.add(f, f32x4.mul(t, v));
        p += xStep;
        u = v128.load(p);
        v = v128.load(p, 16);
        c = f32x4.add(c, f32x4.mul(s, u));
        d = f32x4.add(d, f32x4.mul(s, v));
        g = f32x4.add(g, f32x4.mul(t, u));
        h = f32x4.add(h, f32x4.mul(t, v));
        tap += 4;
        w += 8;
      } while (tap < end);
    }
    const tiny = f32x4.splat(flush);
    v128.store(out, flushBelow(a, tiny));
    v128.store(out, flushBelow(b, tiny), 16);
    v128.store(out + outStep, flushBelow(c, tiny));
    v128.store(out + outStep, flushBelow(d, tiny), 16);
    out += outPlane;
    v128.store(out, flushBelow(e, tiny));
    v128.store(out, flushBelow(f, tiny), 16);
    v128.store(out + outStep, flushBelow(g, tiny));
    v128.store(out + outStep, flushBelow(h, tiny), 16);
    out += outPlane;
  }
}

/** One position of all pairs of maps. */
function tiles1x2(
  x: usize, offsets: usize, end: usize, w: usize, bias: usize, pairs: i32, out: usize, outPlane: usize, flush: f32,
): void {
  for (let pair: i32 = 0; pair < pairs; ++pair) {
    let a = biasAt(bias, 2 * pair), b = a;
    let e = biasAt(bias, 2 * pair + 1), f = e;
    for (let tap = offsets; tap < end; tap += 4) {
      const p = x + load<usize>(tap);
      const s = v128.load32_splat(w), t = v128.load32_splat(w, 4);
      const u = v128.load(p), v = v128.load(p, 16);
      a = f32x4.add(a, f32x4.mul(s, u));
      b = f32x4.add(b, f32x4.mul(s, v));
      e = f32x4.add(e, f32x4.mul(t, u));
      f = f32x4.add(f, f32x4.mul(t, v));
      w += 8;
    }
    const tiny = f32x4.splat(flush);
    v128.store(out, flushBelow(a, tiny));
    v128.store(out, flushBelow(b, tiny), 16);
    out += outPlane;
    v128.store(out, flushBelow(e, tiny));
    v128.store(out, flushBelow(f, tiny), 16);
    out += outPlane;
  }
}

/** A row of the map that an odd count leaves over, the first of its pair; depthwise convolutions have nothing else. */
function rowOfOneMap(
  x: usize, xStep: usize, offsets: usize, end: usize, w: usize, bias: f32, width: i32, out: usize, outStep: usize, flush: f32,
): void {
  for (; width >= 4; width -= 4) {
    tile4x1(x, xStep, offsets, end, w, bias, out, outStep, flush);
    x += 4 * xStep;
    out += 4 * outStep;
  }
  for (; width > 0; --width) {
    tile1x1(x, offsets, end, w, bias, out, flush);
    x += xStep;
    out += outStep;
  }
}

function tile4x1(
  x: usize, xStep: usize, offsets: usize, end: usize, w: usize, bias: f32, out: usize, outStep: usize, flush: f32,
): void {
  let a = f32x4.splat(bias), b = a, c = a, d = a, e = a, f = a, g = a, h = a;
  for (; offsets < end; offsets += 4) {
    let p = x + load<usize>(offsets);
    const s = v128.load32_splat(w);
    a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
    b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
    p += xStep;
    c = f32x4.add(c, f32x4.mul(s, v128.load(p)));
    d = f32x4.add(d, f32x4.mul(s, v128.load(p, 16)));
    p += xStep;
    e = f32x4.add(e, f32x4.mul(s, v128.load(p)));
    f = f32x4.add(f, f32x4.mul(s, v128.load(p, 16)));
    p += xStep;
    g = f32x4.add(g, f32x4.mul(s, v128.load(p)));
    h = f32x4.add(h, f32x4.mul(s, v128.load(p, 16)));
    w += 8;
  }
  const tiny = f32x4.splat(flush);
  v128.store(out, flushBelow(a, tiny));
  v128.store(out, flushBelow(b, tiny), 16);
  out += outStep;
  v128.store(out, flushBelow(c, tiny));
  v128.store(out, flushBelow(d, tiny), 16);
  out += outStep;
  v128.store(out, flushBelow(e, tiny));
  v128.store(out, flushBelow(f, tiny), 16);
  out += outStep;
  v128.store(out, flushBelow(g, tiny));
  v128.store(out, flushBelow(h, tiny), 16);
}

function tile1x1(x: usize, offsets: usize, end: usize, w: usize, bias: f32, out: usize, flush: f32): void {
  let a = f32x4.splat(bias), b = a;
  for (; offsets < end; offsets += 4) {
    const p = x + load<usize>(offsets);
    const s = v128.load32_splat(w);
    a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
    b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
    w += 8;
  }
  const tiny = f32x4.splat(flush);
  v128.store(out, flushBelow(a, tiny));
  v128.store(out, flushBelow(b, tiny), 16);
}
