/**
 * Heads over one class a sample: losses, deltas and predictions of up to LANES samples. Lanes from `count` on get zero
 * deltas. The sum of the losses is in float64, samples in order.
 */
import { laneMask } from '../lanes';
import { BLOCK, TINY, expNonPositive, flushTiny, log } from '../math';
import { addLosses, clearBehind, oneHot } from './labels';

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

/**
 * Softmax cross-entropy against (1 - smoothing) one-hot + smoothing / classes, times the weight of the sample's class.
 * @param z, labels, d, predictions as in `softmaxHead`
 * @param classWeights f32 [classes]; 0: none
 */
export function smoothedSoftmaxHead(
  z: usize, labels: usize, count: i32, classes: i32, d: usize, predictions: usize, smoothing: f32, classWeights: usize,
): f64 {
  const off = smoothing / <f32>classes;
  let loss: f64 = 0;
  for (let first: i32 = 0; first < count; first += 4) {
    const at = <usize>first << 2;
    const weights = weightsOf(labels + at, classWeights);
    const max = largestOf(z + at, classes, predictions + at);
    // The sum over classes of target (max - z): what log-sum-exp lacks to the loss.
    let margin = f32x4.splat(0), sum = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const below = f32x4.sub(max, v128.load(z + at + <usize>k * BLOCK));
      const e = expNonPositive(f32x4.neg(below));
      const target = targetOf(labels + at, k, smoothing, off);
      // A target of 0 keeps an infinite margin out.
      margin = f32x4.add(margin, v128.and(f32x4.mul(target, below), f32x4.gt(target, f32x4.splat(0))));
      sum = f32x4.add(sum, e);
      v128.store(d + at + <usize>k * BLOCK, e);
    }
    const real = laneMask(first, count);
    for (let k: i32 = 0; k < classes; ++k) {
      const p = f32x4.div(v128.load(d + at + <usize>k * BLOCK), sum);
      const delta = f32x4.mul(weights, f32x4.sub(p, targetOf(labels + at, k, smoothing, off)));
      v128.store(d + at + <usize>k * BLOCK, v128.and(real, flushTiny(delta, TINY)));
    }
    loss = addWeightedLosses(loss, sum, margin, weights, first, count);
  }
  clearBehind(d, classes, count);
  return loss;
}

/**
 * Softmax cross-entropy whose terms have the weights of their classes: the sum over classes k of -a_k log(p_k), where a_k is the
 * weight of k times (1 - smoothing) one-hot + smoothing / classes. As PyTorch has it, without the division by the weights.
 * @param z, labels, d, predictions as in `softmaxHead`
 * @param classWeights f32 [classes]
 */
export function weightedSoftmaxHead(
  z: usize, labels: usize, count: i32, classes: i32, d: usize, predictions: usize, smoothing: f32, classWeights: usize,
): f64 {
  const off = smoothing / <f32>classes;
  let loss: f64 = 0;
  for (let first: i32 = 0; first < count; first += 4) {
    const at = <usize>first << 2;
    const max = largestOf(z + at, classes, predictions + at);
    // The sums over classes of a and of a (max - z).
    let all = f32x4.splat(0), margin = f32x4.splat(0), sum = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const below = f32x4.sub(max, v128.load(z + at + <usize>k * BLOCK));
      const e = expNonPositive(f32x4.neg(below));
      const a = f32x4.mul(v128.load32_splat(classWeights + (<usize>k << 2)), targetOf(labels + at, k, smoothing, off));
      // A target of 0 keeps an infinite margin out.
      margin = f32x4.add(margin, v128.and(f32x4.mul(a, below), f32x4.gt(a, f32x4.splat(0))));
      all = f32x4.add(all, a);
      sum = f32x4.add(sum, e);
      v128.store(d + at + <usize>k * BLOCK, e);
    }
    const real = laneMask(first, count);
    for (let k: i32 = 0; k < classes; ++k) {
      const p = f32x4.div(v128.load(d + at + <usize>k * BLOCK), sum);
      const a = f32x4.mul(v128.load32_splat(classWeights + (<usize>k << 2)), targetOf(labels + at, k, smoothing, off));
      const delta = f32x4.sub(f32x4.mul(all, p), a);
      v128.store(d + at + <usize>k * BLOCK, v128.and(real, flushTiny(delta, TINY)));
    }
    for (let s = first; s < min(first + 4, count); ++s) {
      const logarithm = log(<f64>f32x4.extract_lane(sum, 0));
      loss += <f64>f32x4.extract_lane(all, 0) * logarithm + <f64>f32x4.extract_lane(margin, 0);
      sum = nextLane(sum);
      margin = nextLane(margin);
      all = nextLane(all);
    }
  }
  clearBehind(d, classes, count);
  return loss;
}

/** The largest of a sample's logits; `predictions` gets the first class that has it. */
// @ts-ignore: AssemblyScript decorator
@inline
function largestOf(z: usize, classes: i32, predictions: usize): v128 {
  let max = v128.load(z);
  let best = i32x4.splat(0);
  for (let k: i32 = 1; k < classes; ++k) {
    const zk = v128.load(z + <usize>k * BLOCK);
    best = v128.bitselect(i32x4.splat(k), best, f32x4.gt(zk, max));
    max = f32x4.max(max, zk);
  }
  v128.store(predictions, best);
  return max;
}

/** `off`, and (1 - smoothing) more in the lanes whose label is `k`. */
// @ts-ignore: AssemblyScript decorator
@inline
function targetOf(labels: usize, k: i32, smoothing: f32, off: f32): v128 {
  return f32x4.add(f32x4.mul(f32x4.splat(1 - smoothing), oneHot(labels, k)), f32x4.splat(off));
}

/** The class weights of four labels; lanes without a label, and all if there are none, have 1. */
function weightsOf(labels: usize, classWeights: usize): v128 {
  let weights = f32x4.splat(1);
  if (classWeights == 0) return weights;
  weights = f32x4.replace_lane(weights, 0, weightOf(load<i32>(labels), classWeights));
  weights = f32x4.replace_lane(weights, 1, weightOf(load<i32>(labels, 4), classWeights));
  weights = f32x4.replace_lane(weights, 2, weightOf(load<i32>(labels, 8), classWeights));
  return f32x4.replace_lane(weights, 3, weightOf(load<i32>(labels, 12), classWeights));
}

function weightOf(label: i32, classWeights: usize): f32 {
  return label < 0 ? 1 : load<f32>(classWeights + (<usize>label << 2));
}

/** Adds (log(sum) + margin) weight of each real lane. */
function addWeightedLosses(loss: f64, sum: v128, margin: v128, weights: v128, first: i32, count: i32): f64 {
  for (let s = first; s < min(first + 4, count); ++s) {
    const l = log(<f64>f32x4.extract_lane(sum, 0)) + <f64>f32x4.extract_lane(margin, 0);
    loss += l * <f64>f32x4.extract_lane(weights, 0);
    sum = nextLane(sum);
    margin = nextLane(margin);
    weights = nextLane(weights);
  }
  return loss;
}

// @ts-ignore: AssemblyScript decorator
@inline
function nextLane(x: v128): v128 {
  return v128.shuffle<f32>(x, x, 1, 2, 3, 0);
}
