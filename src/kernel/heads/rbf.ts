import { laneMask } from '../lanes';
import { BLOCK, TINY, expNonPositive, flushTiny } from '../math';
import { addLosses, oneHot } from './labels';

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
      // Not in d, which has room for units alone.
      v128.store(y + at + <usize>k * BLOCK, e);
    }
    const real = laneMask(first, count);
    for (let k: i32 = 0; k < classes; ++k) {
      const p = f32x4.div(v128.load(y + at + <usize>k * BLOCK), sum);
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
