/**
 * What training never stores: distances to the targets of an RBF head, and probabilities. For people to look at, so plain rather
 * than fast.
 */
import { BLOCK, LANES, expNonPositive, sigmoid } from './math';

/**
 * y_i = sum_j (x_j - t_ij)^2, summed in float64: distances around 100 go through exp, which magnifies float32's roundings of them.
 * @param x f32 [units][LANES]
 * @param targets f32 [classes][units]
 * @param y f32 [classes][LANES], written
 * @param z f32 [classes][LANES], written: logits of the same probabilities, the lowest distance - y
 */
export function rbfDistances(x: usize, targets: usize, classes: i32, units: i32, y: usize, z: usize): void {
  for (let s: usize = 0; s < <usize>LANES; ++s) {
    const lane = s << 2;
    let lowest: f64 = Infinity;
    for (let k: i32 = 0; k < classes; ++k) lowest = min(lowest, squaredDistance(x + lane, targets, k, units));
    for (let k: i32 = 0; k < classes; ++k) {
      const distance = squaredDistance(x + lane, targets, k, units);
      store<f32>(y + lane + <usize>k * BLOCK, <f32>distance);
      store<f32>(z + lane + <usize>k * BLOCK, <f32>(lowest - distance));
    }
  }
}

function squaredDistance(x: usize, targets: usize, k: i32, units: i32): f64 {
  let sum: f64 = 0;
  let target = targets + (<usize>(k * units) << 2);
  for (const end = target + (<usize>units << 2); target < end; target += 4) {
    const difference = <f64>load<f32>(x) - <f64>load<f32>(target);
    sum += difference * difference;
    x += BLOCK;
  }
  return sum;
}

/**
 * Class probabilities, softmax(z).
 * @param z f32 [classes][LANES], logits
 * @param out f32 [classes][LANES], written
 */
export function probabilities(z: usize, classes: i32, out: usize): void {
  for (let at: usize = 0; at < BLOCK; at += 16) {
    let max = v128.load(z + at);
    for (let k: i32 = 1; k < classes; ++k) max = f32x4.max(max, v128.load(z + at + <usize>k * BLOCK));
    let sum = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const e = expNonPositive(f32x4.sub(v128.load(z + at + <usize>k * BLOCK), max));
      v128.store(out + at + <usize>k * BLOCK, e);
      sum = f32x4.add(sum, e);
    }
    for (let k: i32 = 0; k < classes; ++k) {
      const p = out + at + <usize>k * BLOCK;
      v128.store(p, f32x4.div(v128.load(p), sum));
    }
  }
}

/**
 * The probability of each label by itself, sigmoid(z).
 * @param z f32 [labels][LANES], logits
 * @param out f32 [labels][LANES], written
 */
export function labelProbabilities(z: usize, labels: i32, out: usize): void {
  for (const end = z + <usize>labels * BLOCK; z < end; z += 16, out += 16) v128.store(out, sigmoid(v128.load(z)));
}
