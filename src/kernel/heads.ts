/**
 * Losses, deltas and predictions of the two heads over up to LANES samples. Lanes from `count` on get zero deltas.
 * Both return the sum of the losses in float64, samples in order.
 */
import { BLOCK, TINY, expNonPositive, flushTiny, log } from './math';

/** All ones in the lanes below `count` of the register that starts at lane `first`. */
// @ts-ignore: AssemblyScript decorator
@inline
function laneMask(first: i32, count: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(count));
}

/** 1 in the lanes whose label is `k`, else 0. */
// @ts-ignore: AssemblyScript decorator
@inline
function oneHot(labels: usize, k: i32): v128 {
  return v128.and(i32x4.eq(v128.load(labels), i32x4.splat(k)), f32x4.splat(1));
}

/**
 * Softmax cross-entropy.
 * @param z f32 [classes][LANES], logits
 * @param labels i32 [LANES]
 * @param d f32 [classes][LANES], written: softmax - one-hot; may be `z`
 * @param predictions i32 [LANES], written: the first class of the largest logit
 */
export function softmaxHead(z: usize, labels: usize, count: i32, classes: i32, d: usize, predictions: usize): f64 {
  let loss: f64 = 0;
  for (let first: i32 = 0; first < count; first += 4) {
    const at = <usize>first << 2;
    let max = v128.load(z + at);
    let best = i32x4.splat(0);
    let truth = v128.and(max, i32x4.eq(v128.load(labels + at), i32x4.splat(0)));
    for (let k: i32 = 1; k < classes; ++k) {
      const zk = v128.load(z + at + <usize>k * BLOCK);
      best = v128.bitselect(i32x4.splat(k), best, f32x4.gt(zk, max));
      max = f32x4.max(max, zk);
      truth = v128.or(truth, v128.and(zk, i32x4.eq(v128.load(labels + at), i32x4.splat(k))));
    }
    v128.store(predictions + at, best);
    let sum = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const e = expNonPositive(f32x4.sub(v128.load(z + at + <usize>k * BLOCK), max));
      sum = f32x4.add(sum, e);
      v128.store(d + at + <usize>k * BLOCK, e);
    }
    const real = laneMask(first, count);
    for (let k: i32 = 0; k < classes; ++k) {
      const p = f32x4.div(v128.load(d + at + <usize>k * BLOCK), sum);
      v128.store(d + at + <usize>k * BLOCK, v128.and(real, flushTiny(f32x4.sub(p, oneHot(labels + at, k)), TINY)));
    }
    const margin = f32x4.sub(max, truth);
    loss = addLosses(loss, sum, margin, first, count);
  }
  clearBehind(d, classes, count);
  return loss;
}

/** Adds log(sum) + shift of each real lane. */
function addLosses(loss: f64, sum: v128, shift: v128, first: i32, count: i32): f64 {
  loss += log(<f64>f32x4.extract_lane(sum, 0)) + <f64>f32x4.extract_lane(shift, 0);
  if (first + 1 < count) loss += log(<f64>f32x4.extract_lane(sum, 1)) + <f64>f32x4.extract_lane(shift, 1);
  if (first + 2 < count) loss += log(<f64>f32x4.extract_lane(sum, 2)) + <f64>f32x4.extract_lane(shift, 2);
  if (first + 3 < count) loss += log(<f64>f32x4.extract_lane(sum, 3)) + <f64>f32x4.extract_lane(shift, 3);
  return loss;
}

/** Zeroes the second register of every class if no real sample reaches it. */
function clearBehind(d: usize, classes: i32, count: i32): void {
  if (count > 4) return;
  for (let k: i32 = 0; k < classes; ++k) v128.store(d + <usize>k * BLOCK, f32x4.splat(0), 16);
}

/**
 * Radial basis functions y_i = sum_j (x_j - t_ij)^2 with LeCun's MAP loss E = y_D + log(e^-j + sum_i e^-y_i), by
 * log-sum-exp shifted by max(-j, -min y). The class with the lowest y wins.
 * @param x f32 [units][LANES]
 * @param targets f32 [classes][units]
 * @param y f32 [classes][LANES], scratch: dE/dy afterwards
 * @param d f32 [units][LANES], written: dE/dx
 * @param predictions i32 [LANES], written
 */
export function rbfHead(
  x: usize, targets: usize, labels: usize, count: i32, classes: i32, units: i32, j: f32,
  y: usize, d: usize, predictions: usize,
): f64 {
  let loss: f64 = 0;
  for (let first: i32 = 0; first < 8; first += 4) {
    const at = <usize>first << 2;
    let min = f32x4.splat(Infinity);
    let best = i32x4.splat(0);
    let truth = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const yk = squaredDistance(x + at, targets + (<usize>(k * units) << 2), units);
      v128.store(y + at + <usize>k * BLOCK, yk);
      best = v128.bitselect(i32x4.splat(k), best, f32x4.lt(yk, min));
      min = f32x4.min(min, yk);
      truth = v128.or(truth, v128.and(yk, i32x4.eq(v128.load(labels + at), i32x4.splat(k))));
    }
    v128.store(predictions + at, best);
    // The shift -min(j, min y): no exponent is above zero.
    const low = f32x4.min(min, f32x4.splat(j));
    let sum = expNonPositive(f32x4.sub(low, f32x4.splat(j)));
    for (let k: i32 = 0; k < classes; ++k) {
      const e = expNonPositive(f32x4.sub(low, v128.load(y + at + <usize>k * BLOCK)));
      sum = f32x4.add(sum, e);
      v128.store(d + at + <usize>k * BLOCK, e);
    }
    const real = laneMask(first, count);
    for (let k: i32 = 0; k < classes; ++k) {
      const p = f32x4.div(v128.load(d + at + <usize>k * BLOCK), sum);
      v128.store(y + at + <usize>k * BLOCK, v128.and(real, flushTiny(f32x4.sub(oneHot(labels + at, k), p), TINY)));
    }
    rbfInputGradient(x + at, targets, y + at, classes, units, d + at);
    if (first < count) loss = addLosses(loss, sum, f32x4.sub(truth, low), first, count);
  }
  return loss;
}

function squaredDistance(x: usize, target: usize, units: i32): v128 {
  let sum = f32x4.splat(0);
  for (let u: i32 = 0; u < units; ++u) {
    const difference = f32x4.sub(v128.load(x + <usize>u * BLOCK), v128.load32_splat(target + (<usize>u << 2)));
    sum = f32x4.add(sum, f32x4.mul(difference, difference));
  }
  return sum;
}

/** dE/dx_u = sum_i dE/dy_i 2 (x_u - t_iu). */
function rbfInputGradient(x: usize, targets: usize, dy: usize, classes: i32, units: i32, d: usize): void {
  for (let u: i32 = 0; u < units; ++u) {
    const xu = v128.load(x + <usize>u * BLOCK);
    let sum = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const difference = f32x4.sub(xu, v128.load32_splat(targets + (<usize>(k * units + u) << 2)));
      sum = f32x4.add(sum, f32x4.mul(v128.load(dy + <usize>k * BLOCK), difference));
    }
    v128.store(d + <usize>u * BLOCK, f32x4.add(sum, sum));
  }
}
