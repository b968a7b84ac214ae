/**
 * What happens to the weights once a step's gradient sum is there: mean and norm, clip, weight decay, update. All of it is
 * elementwise, on any range of whole registers; arrays are padded with zeros to a multiple of four.
 */
import { TINY, TINY_SQUARED, cosPi, flushTiny, power } from './math';

/** target += source, `count` float32s. */
export function add(target: usize, source: usize, count: i32): void {
  const end = target + (<usize>count << 2);
  for (; target < end; target += 16, source += 16) v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
}

/**
 * Scales the gradient sum to the mean, in place, and returns its sum of squares in float64: two lanes of even and odd
 * pairs, then their sum.
 */
export function meanAndSquares(gradient: usize, count: i32, scale: f32): f64 {
  const factor = f32x4.splat(scale);
  let low = f64x2.splat(0), high = f64x2.splat(0);
  const end = gradient + (<usize>count << 2);
  for (; gradient < end; gradient += 16) {
    const g = f32x4.mul(v128.load(gradient), factor);
    v128.store(gradient, g);
    const a = f64x2.promote_low_f32x4(g);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f32>(g, g, 2, 3, 0, 1));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** Momentum SGD: v = momentum v + (clip g + decay w); w' = w - rate v. */
export function sgd(
  w: usize, next: usize, gradient: usize, velocity: usize, count: i32,
  clip: f32, rate: f32, momentum: f32, decay: f32,
): void {
  const end = w + (<usize>count << 2);
  for (; w < end; w += 16, next += 16, gradient += 16, velocity += 16) {
    const weight = v128.load(w);
    const g = f32x4.add(f32x4.mul(v128.load(gradient), f32x4.splat(clip)), f32x4.mul(weight, f32x4.splat(decay)));
    const v = flushTiny(f32x4.add(f32x4.mul(v128.load(velocity), f32x4.splat(momentum)), g), TINY);
    v128.store(velocity, v);
    v128.store(next, f32x4.sub(weight, f32x4.mul(v, f32x4.splat(rate))));
  }
}

/**
 * Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019).
 * @param decay added to the gradient as decay w (Adam)
 * @param shrink subtracted from the weight as shrink w (AdamW: learning rate times decay)
 * @param rate learning rate / (1 - beta1^t)
 * @param correction 1 / (1 - beta2^t)
 */
export function adam(
  w: usize, next: usize, gradient: usize, m: usize, v: usize, count: i32,
  clip: f32, decay: f32, shrink: f32, rate: f32, correction: f32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32,
): void {
  const end = w + (<usize>count << 2);
  for (; w < end; w += 16, next += 16, gradient += 16, m += 16, v += 16) {
    const weight = v128.load(w);
    const g = f32x4.add(f32x4.mul(v128.load(gradient), f32x4.splat(clip)), f32x4.mul(weight, f32x4.splat(decay)));
    const first = flushTiny(f32x4.add(f32x4.mul(v128.load(m), f32x4.splat(beta1)), f32x4.mul(g, f32x4.splat(rest1))), TINY);
    const second = flushTiny(
      f32x4.add(f32x4.mul(v128.load(v), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(g, g), f32x4.splat(rest2))),
      TINY_SQUARED,
    );
    v128.store(m, first);
    v128.store(v, second);
    const denominator = f32x4.add(f32x4.sqrt(f32x4.mul(second, f32x4.splat(correction))), f32x4.splat(epsilon));
    const kept = f32x4.sub(weight, f32x4.mul(weight, f32x4.splat(shrink)));
    v128.store(next, f32x4.sub(kept, f32x4.div(f32x4.mul(first, f32x4.splat(rate)), denominator)));
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
