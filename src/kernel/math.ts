/**
 * The transcendental functions that reach the weights, written out so that every engine and CPU computes the same bits.
 * Coefficients: Cephes (S. Moshier, expf.c and tanhf.c) for float32; Taylor and arctanh series for float64.
 */

/** Samples that one call works on: two SIMD registers of four lanes each. An activation is stored `[feature][LANES]`. */
export const LANES: i32 = 8;
/** Bytes of one feature's lanes. */
export const BLOCK: usize = 32;

/** Magnitudes below this are set to zero in deltas and first moments: denormals cost up to four times and can't be flushed. */
export const TINY: f32 = 8.673617379884035e-19; // 2^-60
/** The same for second moments, which are squares. */
export const TINY_SQUARED: f32 = 7.888609052210118e-31; // 2^-100

/** Below this, exp is smaller than TINY relative to 1 and is taken as zero. */
const EXP_MINIMUM: f32 = -41.5;

// @ts-ignore: AssemblyScript decorator
@inline
export function flushTiny(x: v128, threshold: f32): v128 {
  return v128.andnot(x, f32x4.lt(f32x4.abs(x), f32x4.splat(threshold)));
}

/** max(x, 0) that lets NaN through, so that a diverged run is noticed. */
// @ts-ignore: AssemblyScript decorator
@inline
export function relu(x: v128): v128 {
  return v128.andnot(x, f32x4.le(x, f32x4.splat(0)));
}

/** exp(x) for x <= 0 to about 1 ulp; zero below EXP_MINIMUM; NaN stays NaN. */
export function expNonPositive(x: v128): v128 {
  const vanishes = f32x4.lt(x, f32x4.splat(EXP_MINIMUM));
  x = v128.andnot(x, vanishes);
  const n = f32x4.floor(f32x4.add(f32x4.mul(x, f32x4.splat(1.44269504088896341)), f32x4.splat(0.5)));
  let r = f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.12194440e-4)));
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(p, r), r), r), f32x4.splat(1));
  const exponent = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return v128.andnot(f32x4.mul(p, exponent), vanishes);
}

/** tanh(x) to about 2 ulp; NaN stays NaN. */
export function tanh(x: v128): v128 {
  const a = f32x4.abs(x);
  const sign = v128.and(x, i32x4.splat(0x80000000));
  // |x| >= 0.625: 1 - 2e/(1 + e) with e = exp(-2|x|).
  const e = expNonPositive(f32x4.mul(a, f32x4.splat(-2)));
  const large = f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.add(e, e), f32x4.add(f32x4.splat(1), e)));
  const z = f32x4.mul(x, x);
  let p = f32x4.splat(-5.70498872745e-3);
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(2.06390887954e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-5.37397155531e-2));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(1.33314422036e-1));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(-3.33332819422e-1));
  const small = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x);
  return v128.bitselect(v128.or(large, sign), small, f32x4.ge(a, f32x4.splat(0.625)));
}

/** 1 / (1 + exp(-x)) to about 2 ulp, 0 below EXP_MINIMUM; NaN stays NaN. */
export function sigmoid(x: v128): v128 {
  const e = expNonPositive(f32x4.neg(f32x4.abs(x)));
  const numerator = v128.bitselect(f32x4.splat(1), e, f32x4.ge(x, f32x4.splat(0)));
  return f32x4.div(numerator, f32x4.add(f32x4.splat(1), e));
}

/** Natural logarithm of a positive, normal x, to about 1 ulp: x = 2^k m, log m = 2 atanh((m - 1)/(m + 1)). */
export function log(x: f64): f64 {
  if (!(x > 0) || x == Infinity) return x == 0 ? -Infinity : x > 0 ? x : NaN;
  const bits = reinterpret<i64>(x);
  let k = <i32>(bits >> 52) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k += 1;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let p: f64 = 1.0 / 23.0;
  for (let n: i32 = 21; n >= 1; n -= 2) p = p * z + 1.0 / <f64>n;
  return <f64>k * 0.6931471805599453 + 2 * s * p;
}

/** cos(pi x) for 0 <= x <= 1, by the Taylor series of sine about pi/2; its error is below 1e-16. */
export function cosPi(x: f64): f64 {
  const y = 3.141592653589793 * (0.5 - x);
  const z = y * y;
  let p: f64 = 1;
  for (let n: i32 = 21; n >= 3; n -= 2) p = 1 - (p * z) / <f64>(n * (n - 1));
  return y * p;
}

/** base^exponent for a whole exponent, by square-and-multiply: the same bits whatever came before. */
export function power(base: f64, exponent: u32): f64 {
  let result: f64 = 1;
  while (exponent != 0) {
    if (exponent & 1) result *= base;
    base *= base;
    exponent >>= 1;
  }
  return result;
}

/** Square root (IEEE 754 rounds it correctly everywhere); here so that hosts need no Math.sqrt. */
export function squareRoot(x: f64): f64 {
  return Math.sqrt(x);
}

export function clear(target: usize, bytes: usize): void {
  memory.fill(target, 0, bytes);
}
