/**
 * What happens to the weights once a step's gradient sum is there: mean and norm, clip, weight decay, update. All of it is
 * elementwise, on any range of whole registers; arrays are padded with zeros to a multiple of four.
 */
import { TINY, TINY_SQUARED, cosPi, flushTiny, power } from './math';

/** target = a + b, `count` float32s; target may be a or b. */
export function add(target: usize, a: usize, b: usize, count: i32): void {
  const end = target + (<usize>count << 2);
  for (; target < end; target += 16, a += 16, b += 16) v128.store(target, f32x4.add(v128.load(a), v128.load(b)));
}

/**
 * Scales a gradient sum to the mean, `target`, which may be `sum`, and returns the mean's sum of squares in float64: the
 * lower and the upper two lanes apart, then their sum.
 */
export function meanAndSquares(target: usize, sum: usize, count: i32, scale: f32): f64 {
  const factor = f32x4.splat(scale);
  let low = f64x2.splat(0), high = f64x2.splat(0);
  const end = target + (<usize>count << 2);
  for (; target < end; target += 16, sum += 16) {
    const g = f32x4.mul(v128.load(sum), factor);
    v128.store(target, g);
    const a = f64x2.promote_low_f32x4(g);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f32>(g, g, 2, 3, 0, 1));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const both = f64x2.add(low, high);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

/** Momentum SGD: m' = momentum m + (clip g + decay w); w' = w - rate m'. Primed arrays are written, the others only read. */
export function sgd(
  w: usize, wNext: usize, m: usize, mNext: usize, gradient: usize, count: i32,
  clip: f32, rate: f32, momentum: f32, decay: f32,
): void {
  const end = w + (<usize>count << 2);
  for (; w < end; w += 16, wNext += 16, m += 16, mNext += 16, gradient += 16) {
    const weight = v128.load(w);
    const g = f32x4.add(f32x4.mul(v128.load(gradient), f32x4.splat(clip)), f32x4.mul(weight, f32x4.splat(decay)));
    const velocity = flushTiny(f32x4.add(f32x4.mul(v128.load(m), f32x4.splat(momentum)), g), TINY);
    v128.store(mNext, velocity);
    v128.store(wNext, f32x4.sub(weight, f32x4.mul(velocity, f32x4.splat(rate))));
  }
}

/**
 * Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019). The arrays called Next are written, the others only read.
 * @param decay added to the gradient as decay w (Adam)
 * @param shrink subtracted from the weight as shrink w (AdamW: learning rate times decay)
 * @param rate learning rate / (1 - beta1^t)
 * @param correction 1 / (1 - beta2^t)
 */
export function adam(
  w: usize, wNext: usize, m: usize, mNext: usize, v: usize, vNext: usize, gradient: usize, count: i32,
  clip: f32, decay: f32, shrink: f32, rate: f32, correction: f32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32,
): void {
  // Splatted here, since the engine doesn't move them out of the loop.
  const clips = f32x4.splat(clip), decays = f32x4.splat(decay), shrinks = f32x4.splat(shrink);
  const rates = f32x4.splat(rate), corrections = f32x4.splat(correction), epsilons = f32x4.splat(epsilon);
  const betas1 = f32x4.splat(beta1), betas2 = f32x4.splat(beta2);
  const rests1 = f32x4.splat(rest1), rests2 = f32x4.splat(rest2);
  const end = w + (<usize>count << 2);
  for (; w < end; w += 16, wNext += 16, m += 16, mNext += 16, v += 16, vNext += 16, gradient += 16) {
    const weight = v128.load(w);
    const g = f32x4.add(f32x4.mul(v128.load(gradient), clips), f32x4.mul(weight, decays));
    const first = flushTiny(f32x4.add(f32x4.mul(v128.load(m), betas1), f32x4.mul(g, rests1)), TINY);
    const second = flushTiny(
      f32x4.add(f32x4.mul(v128.load(v), betas2), f32x4.mul(f32x4.mul(g, g), rests2)),
      TINY_SQUARED,
    );
    v128.store(mNext, first);
    v128.store(vNext, second);
    const denominator = f32x4.add(f32x4.sqrt(f32x4.mul(second, corrections)), epsilons);
    const kept = f32x4.sub(weight, f32x4.mul(weight, shrinks));
    v128.store(wNext, f32x4.sub(kept, f32x4.div(f32x4.mul(first, rates), denominator)));
  }
}

/** wNext = w + share (mean - w): running statistics follow a step's. */
export function follow(w: usize, wNext: usize, mean: usize, count: i32, share: f32): void {
  const end = w + (<usize>count << 2);
  for (; w < end; w += 16, wNext += 16, mean += 16) {
    const value = v128.load(w);
    v128.store(wNext, f32x4.add(value, f32x4.mul(f32x4.splat(share), f32x4.sub(v128.load(mean), value))));
  }
}

/** The bias correction 1 - beta^t of Adam's moments, t from 1. */
export function biasCorrection(beta: f64, t: u32): f64 {
  return 1 - power(beta, t);
}

/**
 * Learning rate of update t (from 0): rises linearly over `warmup` updates, then falls as half a cosine to zero at `total`,
 * or stays.
 */
export function learningRate(base: f64, warmup: u32, total: u32, cosine: bool, t: u32): f64 {
  if (t < warmup) return (base * <f64>(t + 1)) / <f64>warmup;
  if (!cosine) return base;
  if (t >= total) return 0;
  return base * 0.5 * (1 + cosPi(<f64>(t - warmup) / <f64>(total - warmup)));
}
