/**
 * Batch norm over the real samples of one block (S. Ioffe and C. Szegedy 2015, with "ghost" batches of at most LANES).
 * Every sum: a row in float32, lane by lane; rows in float64; then the lanes in float64, lane 0 first. Empty lanes take no
 * part, whatever they hold, and are written as 0.
 */
import { laneMask, promoteHigh, sumInOrder } from '../lanes';
import { MapStack } from '../map-stack';
import { BLOCK, TINY, flushTiny } from '../math';
import { put } from '../subsample';
import { normalizeMap } from './normalize';

/** Bytes that are kept of a map: its mean, its invstd = 1 / sqrt(variance + epsilon), and what its mean lost times invstd. */
const SAVED: usize = 12;

/**
 * @param saved f32 [maps][3], written for the backward pass
 * @param runningMean, runningVar f32 [maps]: count mean and count variance (biased), written or added to; 0: not wanted
 * @param out may be x only if no backward pass follows
 */
export function batchNorm(
  x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, weight: usize, bias: usize, saved: usize,
  runningMean: usize, runningVar: usize, epsilon: f32, count: i32, accumulate: bool,
): void {
  const values = <f64>count * <f64>height * <f64>width;
  for (let m: i32 = 0; m < maps; ++m) {
    const at = <usize>m << 2;
    const mean = mapSum(x, m, height, width, count) / values;
    const variance = squaredDeviations(x, m, height, width, count, <f32>mean) / values;
    const invstd = <f32>(1 / Math.sqrt(variance + <f64>epsilon));
    store<f32>(saved, <f32>mean);
    store<f32>(saved, invstd, 4);
    // Times a large invstd, what rounding takes from the mean would move all values.
    const lost = mean - <f64><f32>mean;
    store<f32>(saved, <f32>(lost * <f64>invstd), 8);
    saved += SAVED;
    if (runningMean != 0) {
      put(runningMean + at, <f32>(<f64>count * mean), accumulate);
      put(runningVar + at, <f32>(<f64>count * variance), accumulate);
    }
    const center = f32x4.splat(<f32>mean);
    const factor = invstd * load<f32>(weight + at);
    const factors = f32x4.splat(factor);
    const offset = f32x4.splat(<f32>(<f64>load<f32>(bias + at) - lost * <f64>factor));
    normalizeMap(x, out, m, height, width, count, center, center, factors, factors, offset);
  }
}

/** By statistics that are given: mean and variance f32 [maps]. */
export function batchNormInference(
  x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, weight: usize, bias: usize, mean: usize, variance: usize,
  epsilon: f32, count: i32,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    const at = <usize>m << 2;
    const center = v128.load32_splat(mean + at);
    const factor = f32x4.splat(inferenceFactor(weight + at, variance + at, epsilon));
    normalizeMap(x, out, m, height, width, count, center, center, factor, factor, v128.load32_splat(bias + at));
  }
}

/**
 * dx = dy (weight invstd), flushed, where the statistics are given.
 * @param dx may be dy
 */
export function batchNormInferenceBackward(
  dy: MapStack, dx: MapStack, maps: i32, height: i32, width: i32, weight: usize, variance: usize, epsilon: f32, count: i32,
): void {
  const realLow = laneMask(0, count), realHigh = laneMask(4, count);
  for (let m: i32 = 0; m < maps; ++m) {
    const at = <usize>m << 2;
    const factor = f32x4.splat(inferenceFactor(weight + at, variance + at, epsilon));
    for (let y: i32 = 0; y < height; ++y) {
      let p = dy.at(m, y), to = dx.at(m, y);
      for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK, to += BLOCK) {
        const low = f32x4.mul(v128.load(p), factor), high = f32x4.mul(v128.load(p, 16), factor);
        v128.store(to, v128.and(flushTiny(low, TINY), realLow));
        v128.store(to, v128.and(flushTiny(high, TINY), realHigh), 16);
      }
    }
  }
}

/** invstd weight of one map. */
function inferenceFactor(weight: usize, variance: usize, epsilon: f32): f32 {
  return <f32>(1 / Math.sqrt(<f64>load<f32>(variance) + <f64>epsilon)) * load<f32>(weight);
}

function mapSum(x: MapStack, map: i32, height: i32, width: i32, count: i32): f64 {
  const zero = f64x2.splat(0);
  let a = zero, b = zero, c = zero, d = zero;
  for (let y: i32 = 0; y < height; ++y) {
    let low = f32x4.splat(0), high = low;
    let p = x.at(map, y);
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK) {
      low = f32x4.add(low, v128.load(p));
      high = f32x4.add(high, v128.load(p, 16));
    }
    low = v128.and(low, laneMask(0, count));
    high = v128.and(high, laneMask(4, count));
    a = f64x2.add(a, f64x2.promote_low_f32x4(low));
    b = f64x2.add(b, promoteHigh(low));
    c = f64x2.add(c, f64x2.promote_low_f32x4(high));
    d = f64x2.add(d, promoteHigh(high));
  }
  return sumInOrder(a, b, c, d);
}

function squaredDeviations(x: MapStack, map: i32, height: i32, width: i32, count: i32, mean: f32): f64 {
  const zero = f64x2.splat(0), center = f32x4.splat(mean);
  let a = zero, b = zero, c = zero, d = zero;
  for (let y: i32 = 0; y < height; ++y) {
    let low = f32x4.splat(0), high = low;
    let p = x.at(map, y);
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK) {
      const u = f32x4.sub(v128.load(p), center), v = f32x4.sub(v128.load(p, 16), center);
      low = f32x4.add(low, f32x4.mul(u, u));
      high = f32x4.add(high, f32x4.mul(v, v));
    }
    low = v128.and(low, laneMask(0, count));
    high = v128.and(high, laneMask(4, count));
    a = f64x2.add(a, f64x2.promote_low_f32x4(low));
    b = f64x2.add(b, promoteHigh(low));
    c = f64x2.add(c, f64x2.promote_low_f32x4(high));
    d = f64x2.add(d, promoteHigh(high));
  }
  return sumInOrder(a, b, c, d);
}

/**
 * With n = (x - mean) invstd - l, where l is what the mean lost, and N values: dbias = sum dy, dweight = sum dy n,
 * dx = (weight invstd) ((dy - (dbias / N - l dweight / N)) - (n + l) (dweight / N)), flushed.
 * @param gradient f32 [maps] dweight, then f32 [maps] dbias, written or added to; 0: not wanted
 * @param dx may be dy
 */
export function batchNormBackward(
  x: MapStack, dy: MapStack, dx: MapStack, maps: i32, height: i32, width: i32, weight: usize, saved: usize,
  gradient: usize, count: i32, accumulate: bool,
): void {
  const values = <f64>count * <f64>height * <f64>width;
  for (let m: i32 = 0; m < maps; ++m) {
    const at = <usize>m << 2;
    const mean = load<f32>(saved), invstd = load<f32>(saved, 4), lost = <f64>load<f32>(saved, 8);
    saved += SAVED;
    const dbias = deltaSum(x, dy, m, height, width, count, mean, invstd, false);
    const dweight = deltaSum(x, dy, m, height, width, count, mean, invstd, true) - lost * dbias;
    if (gradient != 0) {
      put(gradient + at, <f32>dweight, accumulate);
      put(gradient + (<usize>maps << 2) + at, <f32>dbias, accumulate);
    }
    const factor = load<f32>(weight + at) * invstd;
    const a = <f32>((dbias - lost * dweight) / values), b = <f32>(dweight / values);
    inputGradient(x, dy, dx, m, height, width, count, mean, invstd, factor, a, b);
  }
}

/** The sum of dy n (`weighted`) or of dy over one map. */
function deltaSum(
  x: MapStack, dy: MapStack, map: i32, height: i32, width: i32, count: i32, mean: f32, invstd: f32, weighted: bool,
): f64 {
  const zero = f64x2.splat(0), center = f32x4.splat(mean), scale = f32x4.splat(invstd);
  let a = zero, b = zero, c = zero, d = zero;
  for (let y: i32 = 0; y < height; ++y) {
    let low = f32x4.splat(0), high = low;
    let p = x.at(map, y), q = dy.at(map, y);
    const end = p + <usize>width * BLOCK;
    if (weighted) {
      for (; p < end; p += BLOCK, q += BLOCK) {
        low = f32x4.add(low, f32x4.mul(v128.load(q), f32x4.mul(f32x4.sub(v128.load(p), center), scale)));
        high = f32x4.add(high, f32x4.mul(v128.load(q, 16), f32x4.mul(f32x4.sub(v128.load(p, 16), center), scale)));
      }
    } else {
      for (; p < end; p += BLOCK, q += BLOCK) {
        low = f32x4.add(low, v128.load(q));
        high = f32x4.add(high, v128.load(q, 16));
      }
    }
    low = v128.and(low, laneMask(0, count));
    high = v128.and(high, laneMask(4, count));
    a = f64x2.add(a, f64x2.promote_low_f32x4(low));
    b = f64x2.add(b, promoteHigh(low));
    c = f64x2.add(c, f64x2.promote_low_f32x4(high));
    d = f64x2.add(d, promoteHigh(high));
  }
  return sumInOrder(a, b, c, d);
}

function inputGradient(
  x: MapStack, dy: MapStack, dx: MapStack, map: i32, height: i32, width: i32, count: i32,
  mean: f32, invstd: f32, factor: f32, meanDelta: f32, meanProduct: f32,
): void {
  const center = f32x4.splat(mean), scale = f32x4.splat(invstd), factors = f32x4.splat(factor);
  const a = f32x4.splat(meanDelta), b = f32x4.splat(meanProduct);
  for (let y: i32 = 0; y < height; ++y) {
    let p = x.at(map, y), q = dy.at(map, y), to = dx.at(map, y);
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK, q += BLOCK, to += BLOCK) {
      const n = f32x4.mul(f32x4.sub(v128.load(p), center), scale);
      const o = f32x4.mul(f32x4.sub(v128.load(p, 16), center), scale);
      const low = f32x4.mul(factors, f32x4.sub(f32x4.sub(v128.load(q), a), f32x4.mul(n, b)));
      const high = f32x4.mul(factors, f32x4.sub(f32x4.sub(v128.load(q, 16), a), f32x4.mul(o, b)));
      v128.store(to, v128.and(flushTiny(low, TINY), laneMask(0, count)));
      v128.store(to, v128.and(flushTiny(high, TINY), laneMask(4, count)), 16);
    }
  }
}
