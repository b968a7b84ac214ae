/** Operations on every position of map stacks alone: sums, copies, scales. Outputs may be inputs, unless said otherwise. */
import { horizontalSum } from './lanes';
import { MapStack } from './map-stack';
import { BLOCK, TINY, flushTiny } from './math';
import { put } from './subsample';

/** out = a + b. */
export function addMaps(a: MapStack, b: MapStack, out: MapStack, maps: i32, height: i32, width: i32): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      let p = a.at(m, y), q = b.at(m, y), to = out.at(m, y);
      for (const end = p + <usize>width * BLOCK; p < end; p += 16, q += 16, to += 16) {
        v128.store(to, f32x4.add(v128.load(p), v128.load(q)));
      }
    }
  }
}

/** Copies the positions of the maps, not what lies around them. */
export function copyMaps(x: MapStack, out: MapStack, maps: i32, height: i32, width: i32): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) memory.copy(out.at(m, y), x.at(m, y), <usize>width * BLOCK);
  }
}

export function clearMaps(x: MapStack, maps: i32, height: i32, width: i32): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) memory.fill(x.at(m, y), 0, <usize>width * BLOCK);
  }
}

/** out = x scale + offset; what is below TINY becomes 0, since deltas pass here too (with offset 0). */
export function affine(x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, scale: f32, offset: f32): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) affineRow(x.at(m, y), out.at(m, y), width, scale, offset, TINY);
  }
}

/** out = x (factor coefficient[map]) + bias[map]. */
export function mapAffine(
  x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, coefficient: usize, bias: usize, factor: f32,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    const scale = factor * load<f32>(coefficient + (<usize>m << 2));
    const offset = load<f32>(bias + (<usize>m << 2));
    for (let y: i32 = 0; y < height; ++y) affineRow(x.at(m, y), out.at(m, y), width, scale, offset, 0);
  }
}

/** What is below `tiny` becomes 0. */
function affineRow(x: usize, out: usize, width: i32, scale: f32, offset: f32, tiny: f32): void {
  const scales = f32x4.splat(scale), offsets = f32x4.splat(offset);
  for (const end = x + <usize>width * BLOCK; x < end; x += 16, out += 16) {
    v128.store(out, flushTiny(f32x4.add(f32x4.mul(v128.load(x), scales), offsets), tiny));
  }
}

/**
 * dx = dy (factor c), flushed; dc = factor times the sum of dy x; db = the sum of dy, both summed as `biasGradient` sums.
 * @param dx pointer 0: not wanted
 * @param gradient f32 [maps] dc, then f32 [maps] db, written or added to; 0: not wanted
 */
export function mapAffineBackward(
  x: MapStack, dy: MapStack, dx: MapStack, maps: i32, height: i32, width: i32, coefficient: usize, gradient: usize,
  factor: f32, accumulate: bool,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    const at = <usize>m << 2;
    if (gradient != 0) {
      const sums = mapProducts(x, dy, m, height, width);
      put(gradient + at, factor * f32x4.extract_lane(sums, 0), accumulate);
      put(gradient + (<usize>maps << 2) + at, f32x4.extract_lane(sums, 1), accumulate);
    }
    if (dx.pointer == 0) continue;
    const scale = factor * load<f32>(coefficient + at);
    for (let y: i32 = 0; y < height; ++y) affineRow(dy.at(m, y), dx.at(m, y), width, scale, 0, TINY);
  }
}

/** The sums of dy x (lane 0) and of dy (lane 1) over one map. */
function mapProducts(x: MapStack, dy: MapStack, map: i32, height: i32, width: i32): v128 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  for (let y: i32 = 0; y < height; ++y) {
    let rowA = f32x4.splat(0), rowB = rowA, rowC = rowA, rowD = rowA;
    let p = x.at(map, y), q = dy.at(map, y);
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK, q += BLOCK) {
      const low = v128.load(q), high = v128.load(q, 16);
      rowA = f32x4.add(rowA, f32x4.mul(low, v128.load(p)));
      rowB = f32x4.add(rowB, f32x4.mul(high, v128.load(p, 16)));
      rowC = f32x4.add(rowC, low);
      rowD = f32x4.add(rowD, high);
    }
    a = f32x4.add(a, rowA);
    b = f32x4.add(b, rowB);
    c = f32x4.add(c, rowC);
    d = f32x4.add(d, rowD);
  }
  const products = horizontalSum(f32x4.add(a, b));
  return f32x4.replace_lane(f32x4.splat(products), 1, horizontalSum(f32x4.add(c, d)));
}
