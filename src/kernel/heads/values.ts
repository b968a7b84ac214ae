/**
 * Heads over float32 targets: losses and deltas of up to LANES samples. A sample's loss is the mean over its outputs; the sum
 * of the losses is in float64, samples in order. Lanes from `count` on get zero deltas.
 */
import { laneMask } from '../lanes';
import { BLOCK, TINY, expNonPositive, flushTiny, log, sigmoid } from '../math';

/**
 * Binary cross-entropy with logits: max(z, 0) - z t + log(1 + exp(-|z|)).
 * @param z f32 [outputs][LANES], logits
 * @param targets f32 [sample][outputs], 0 to 1; indices i32 [LANES], which samples
 * @param d f32 [outputs][LANES], written: (sigmoid(z) - t) float32(1 / outputs); may be `z`
 * @param predictions i32 [LANES], written: 1 if z > 0 agrees with t > 0.5 in all outputs, else 0
 */
export function sigmoidHead(
  z: usize, targets: usize, indices: usize, count: i32, outputs: i32, d: usize, predictions: usize,
): f64 {
  let loss: f64 = 0;
  for (let s: i32 = 0; s < count; ++s) {
    loss += crossEntropy(z + (<usize>s << 2), targetRow(targets, indices, s, outputs), outputs) / <f64>outputs;
  }
  const share = f32x4.splat(1 / <f32>outputs);
  for (let first: i32 = 0; first < 8; first += 4) {
    const at = <usize>first << 2;
    const real = laneMask(first, count);
    let right = real;
    for (let k: i32 = 0; k < outputs; ++k) {
      const logits = v128.load(z + at + <usize>k * BLOCK);
      const t = targetsOf(targets, indices, first, count, outputs, k);
      const delta = flushTiny(f32x4.mul(f32x4.sub(sigmoid(logits), t), share), TINY);
      v128.store(d + at + <usize>k * BLOCK, v128.and(delta, real));
      right = v128.andnot(right, v128.xor(f32x4.gt(logits, f32x4.splat(0)), f32x4.gt(t, f32x4.splat(0.5))));
    }
    v128.store(predictions + at, v128.and(right, i32x4.splat(1)));
  }
  return loss;
}

/** One sample's sum over the outputs. */
function crossEntropy(z: usize, t: usize, outputs: i32): f64 {
  let sum: f64 = 0;
  for (let k: i32 = 0; k < outputs; ++k, z += BLOCK, t += 4) {
    const x = load<f32>(z);
    const e = f32x4.extract_lane(expNonPositive(f32x4.splat(-abs(x))), 0);
    sum += <f64>max(x, <f32>0) - <f64>x * <f64>load<f32>(t) + log(1 + <f64>e);
  }
  return sum;
}

/**
 * Mean squared error.
 * @param z, targets, indices as above
 * @param d f32 [outputs][LANES], written: (z - t) float32(2 / outputs); may be `z`
 */
export function mseHead(z: usize, targets: usize, indices: usize, count: i32, outputs: i32, d: usize): f64 {
  let loss: f64 = 0;
  for (let s: i32 = 0; s < count; ++s) {
    loss += squaredError(z + (<usize>s << 2), targetRow(targets, indices, s, outputs), outputs) / <f64>outputs;
  }
  const scale = f32x4.splat(2 / <f32>outputs);
  for (let first: i32 = 0; first < 8; first += 4) {
    const at = <usize>first << 2;
    for (let k: i32 = 0; k < outputs; ++k) {
      const difference = f32x4.sub(v128.load(z + at + <usize>k * BLOCK), targetsOf(targets, indices, first, count, outputs, k));
      const delta = flushTiny(f32x4.mul(difference, scale), TINY);
      v128.store(d + at + <usize>k * BLOCK, v128.and(delta, laneMask(first, count)));
    }
  }
  return loss;
}

/** One sample's sum over the outputs. */
function squaredError(z: usize, t: usize, outputs: i32): f64 {
  let sum: f64 = 0;
  for (let k: i32 = 0; k < outputs; ++k, z += BLOCK, t += 4) {
    const difference = <f64>load<f32>(z) - <f64>load<f32>(t);
    sum += difference * difference;
  }
  return sum;
}

// @ts-ignore: AssemblyScript decorator
@inline
function targetRow(targets: usize, indices: usize, sample: i32, outputs: i32): usize {
  return targets + <usize>load<i32>(indices + (<usize>sample << 2)) * (<usize>outputs << 2);
}

/** Output k's targets of four samples; 0 in empty lanes, whose indices are never read. */
function targetsOf(targets: usize, indices: usize, first: i32, count: i32, outputs: i32, k: i32): v128 {
  const at = <usize>k << 2;
  let t = f32x4.splat(0);
  if (first < count) t = f32x4.replace_lane(t, 0, load<f32>(targetRow(targets, indices, first, outputs) + at));
  if (first + 1 < count) t = f32x4.replace_lane(t, 1, load<f32>(targetRow(targets, indices, first + 1, outputs) + at));
  if (first + 2 < count) t = f32x4.replace_lane(t, 2, load<f32>(targetRow(targets, indices, first + 2, outputs) + at));
  if (first + 3 < count) t = f32x4.replace_lane(t, 3, load<f32>(targetRow(targets, indices, first + 3, outputs) + at));
  return t;
}
