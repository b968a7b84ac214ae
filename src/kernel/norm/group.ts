/**
 * Group norm (Y. Wu and K. He 2018): statistics of each sample's groups of maps; one group is layer norm, and a stack of 1x1
 * maps gives it a weight for each value. Every sum: a row in float32; rows, and then maps, in float64; each lane by itself.
 */
import { demote, laneMask, promoteHigh, sumInOrder } from '../lanes';
import { MapStack } from '../map-stack';
import { BLOCK, TINY, flushTiny } from '../math';
import { put } from '../subsample';
import { normalizeMap } from './normalize';

/** Bytes that are kept of a group: the lanes' means, then their 1 / sqrt(variance + epsilon). */
const SAVED: usize = 2 * BLOCK;

/**
 * @param groups divides `maps`
 * @param saved f32 [groups][2][LANES], written for the backward pass
 * @param out empty lanes become 0
 */
export function groupNorm(
  x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, groups: i32, weight: usize, bias: usize,
  saved: usize, epsilon: f32, count: i32,
): void {
  const each = maps / groups;
  for (let first: i32 = 0; first < maps; first += each) {
    for (let lanes: usize = 0; lanes < BLOCK; lanes += 16) {
      const mean = groupMean(x, first, each, height, width, lanes);
      v128.store(saved + lanes, mean);
      v128.store(saved + lanes, groupInvstd(x, first, each, height, width, lanes, mean, epsilon), BLOCK);
    }
    for (let m = first; m < first + each; ++m) {
      const scale = v128.load32_splat(weight + (<usize>m << 2));
      normalizeMap(
        x, out, m, height, width, count, v128.load(saved), v128.load(saved, 16),
        f32x4.mul(v128.load(saved, BLOCK), scale), f32x4.mul(v128.load(saved, BLOCK + 16), scale),
        v128.load32_splat(bias + (<usize>m << 2)),
      );
    }
    saved += SAVED;
  }
}

/** The means of the four lanes that start `lanes` bytes into a block. */
function groupMean(x: MapStack, first: i32, maps: i32, height: i32, width: i32, lanes: usize): v128 {
  let a = f64x2.splat(0), b = a;
  for (let m = first; m < first + maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      let sum = f32x4.splat(0);
      let p = x.at(m, y) + lanes;
      for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK) sum = f32x4.add(sum, v128.load(p));
      a = f64x2.add(a, f64x2.promote_low_f32x4(sum));
      b = f64x2.add(b, promoteHigh(sum));
    }
  }
  const values = f64x2.splat(<f64>maps * <f64>height * <f64>width);
  return demote(f64x2.div(a, values), f64x2.div(b, values));
}

/** 1 / sqrt(variance + epsilon) of four lanes. */
function groupInvstd(
  x: MapStack, first: i32, maps: i32, height: i32, width: i32, lanes: usize, mean: v128, epsilon: f32,
): v128 {
  let a = f64x2.splat(0), b = a;
  for (let m = first; m < first + maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      let sum = f32x4.splat(0);
      let p = x.at(m, y) + lanes;
      for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK) {
        const u = f32x4.sub(v128.load(p), mean);
        sum = f32x4.add(sum, f32x4.mul(u, u));
      }
      a = f64x2.add(a, f64x2.promote_low_f32x4(sum));
      b = f64x2.add(b, promoteHigh(sum));
    }
  }
  const values = f64x2.splat(<f64>maps * <f64>height * <f64>width);
  return demote(inverseRoot(f64x2.div(a, values), epsilon), inverseRoot(f64x2.div(b, values), epsilon));
}

// @ts-ignore: AssemblyScript decorator
@inline
function inverseRoot(variance: v128, epsilon: f32): v128 {
  return f64x2.div(f64x2.splat(1), f64x2.sqrt(f64x2.add(variance, f64x2.splat(<f64>epsilon))));
}

/**
 * With n = (x - mean) invstd and N values of a group: dbias = sum dy and dweight = sum dy n over lanes and positions;
 * dx = invstd ((weight dy - s) - n t), flushed, where s and t are the group's sums of weight dy and weight dy n over N.
 * @param gradient f32 [maps] dweight, then f32 [maps] dbias, written or added to; 0: not wanted
 * @param dx may be dy; empty lanes become 0
 */
export function groupNormBackward(
  x: MapStack, dy: MapStack, dx: MapStack, maps: i32, height: i32, width: i32, groups: i32, weight: usize, saved: usize,
  gradient: usize, count: i32, accumulate: bool,
): void {
  const each = maps / groups;
  for (let first: i32 = 0; first < maps; first += each) {
    groupBackward(x, dy, dx, maps, first, first + each, height, width, weight, saved, gradient, count, accumulate);
    saved += SAVED;
  }
}

/** The maps `first` to `end` of one group, among `maps`. */
function groupBackward(
  x: MapStack, dy: MapStack, dx: MapStack, maps: i32, first: i32, end: i32, height: i32, width: i32,
  weight: usize, saved: usize, gradient: usize, count: i32, accumulate: bool,
): void {
  const realLow = laneMask(0, count), realHigh = laneMask(4, count), zero = f64x2.splat(0);
  const meanLow = v128.load(saved), meanHigh = v128.load(saved, 16);
  const invstdLow = v128.load(saved, BLOCK), invstdHigh = v128.load(saved, BLOCK + 16);
  // The group's sums of weight dy (s) and of weight dy n (t), two lanes a register.
  let s0 = zero, s1 = zero, s2 = zero, s3 = zero, t0 = zero, t1 = zero, t2 = zero, t3 = zero;
  for (let m = first; m < end; ++m) {
    // The map's sums of dy and of dy n.
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero, b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    for (let y: i32 = 0; y < height; ++y) {
      let low = f32x4.splat(0), high = low, productLow = low, productHigh = low;
      let p = x.at(m, y), q = dy.at(m, y);
      for (const stop = p + <usize>width * BLOCK; p < stop; p += BLOCK, q += BLOCK) {
        const u = v128.load(q), v = v128.load(q, 16);
        low = f32x4.add(low, u);
        high = f32x4.add(high, v);
        productLow = f32x4.add(productLow, f32x4.mul(u, f32x4.mul(f32x4.sub(v128.load(p), meanLow), invstdLow)));
        productHigh = f32x4.add(productHigh, f32x4.mul(v, f32x4.mul(f32x4.sub(v128.load(p, 16), meanHigh), invstdHigh)));
      }
      low = v128.and(low, realLow);
      high = v128.and(high, realHigh);
      productLow = v128.and(productLow, realLow);
      productHigh = v128.and(productHigh, realHigh);
      a0 = f64x2.add(a0, f64x2.promote_low_f32x4(low));
      a1 = f64x2.add(a1, promoteHigh(low));
      a2 = f64x2.add(a2, f64x2.promote_low_f32x4(high));
      a3 = f64x2.add(a3, promoteHigh(high));
      b0 = f64x2.add(b0, f64x2.promote_low_f32x4(productLow));
      b1 = f64x2.add(b1, promoteHigh(productLow));
      b2 = f64x2.add(b2, f64x2.promote_low_f32x4(productHigh));
      b3 = f64x2.add(b3, promoteHigh(productHigh));
    }
    const at = <usize>m << 2;
    if (gradient != 0) {
      put(gradient + at, <f32>sumInOrder(b0, b1, b2, b3), accumulate);
      put(gradient + (<usize>maps << 2) + at, <f32>sumInOrder(a0, a1, a2, a3), accumulate);
    }
    const w = f64x2.splat(<f64>load<f32>(weight + at));
    s0 = f64x2.add(s0, f64x2.mul(w, a0));
    s1 = f64x2.add(s1, f64x2.mul(w, a1));
    s2 = f64x2.add(s2, f64x2.mul(w, a2));
    s3 = f64x2.add(s3, f64x2.mul(w, a3));
    t0 = f64x2.add(t0, f64x2.mul(w, b0));
    t1 = f64x2.add(t1, f64x2.mul(w, b1));
    t2 = f64x2.add(t2, f64x2.mul(w, b2));
    t3 = f64x2.add(t3, f64x2.mul(w, b3));
  }
  const values = f64x2.splat(<f64>(end - first) * <f64>height * <f64>width);
  const sLow = demote(f64x2.div(s0, values), f64x2.div(s1, values));
  const sHigh = demote(f64x2.div(s2, values), f64x2.div(s3, values));
  const tLow = demote(f64x2.div(t0, values), f64x2.div(t1, values));
  const tHigh = demote(f64x2.div(t2, values), f64x2.div(t3, values));
  for (let m = first; m < end; ++m) {
    inputGradient(x, dy, dx, m, height, width, load<f32>(weight + (<usize>m << 2)), saved, 0, sLow, tLow, realLow);
    inputGradient(x, dy, dx, m, height, width, load<f32>(weight + (<usize>m << 2)), saved, 16, sHigh, tHigh, realHigh);
  }
}

/** dx of one map in the four lanes that start `lanes` bytes into a block. */
function inputGradient(
  x: MapStack, dy: MapStack, dx: MapStack, map: i32, height: i32, width: i32, weight: f32, saved: usize, lanes: usize,
  s: v128, t: v128, real: v128,
): void {
  const mean = v128.load(saved + lanes), invstd = v128.load(saved + lanes, BLOCK), w = f32x4.splat(weight);
  for (let y: i32 = 0; y < height; ++y) {
    let p = x.at(map, y) + lanes, q = dy.at(map, y) + lanes, to = dx.at(map, y) + lanes;
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK, q += BLOCK, to += BLOCK) {
      const n = f32x4.mul(f32x4.sub(v128.load(p), mean), invstd);
      const d = f32x4.mul(invstd, f32x4.sub(f32x4.sub(f32x4.mul(w, v128.load(q)), s), f32x4.mul(n, t)));
      v128.store(to, v128.and(flushTiny(d, TINY), real));
    }
  }
}
