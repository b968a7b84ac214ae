/** Activations of dense layers, forward and backward. */
import { BLOCK, TINY, flushTiny, relu, tanh } from '../math';

/** Identity, relu and A tanh(S a), by the numbers that the host passes. */
export const LINEAR: i32 = 0;
export const RELU: i32 = 1;
export const SCALED_TANH: i32 = 2;

/** LeCun et al. 1998, appendix A: A and S, as src/shared/model/spec.ts has them. */
const AMPLITUDE: f32 = 1.7159;
const SLOPE: f32 = 2.0 / 3.0;

// @ts-ignore: AssemblyScript decorator
@inline
export function activate(x: v128, activation: i32): v128 {
  if (activation == RELU) return relu(x);
  if (activation == SCALED_TANH) return f32x4.mul(f32x4.splat(AMPLITUDE), tanh(f32x4.mul(f32x4.splat(SLOPE), x)));
  return x;
}

/** The delta before an activation from the one after it, by the activation's own value. */
// @ts-ignore: AssemblyScript decorator
@inline
export function deactivate(d: v128, x: v128, activation: i32): v128 {
  if (activation == RELU) d = v128.andnot(d, f32x4.le(x, f32x4.splat(0)));
  if (activation == SCALED_TANH) {
    // d/da A tanh(Sa) = AS (1 - tanh^2) = S (A - x^2 / A)
    const slope = f32x4.mul(
      f32x4.splat(SLOPE),
      f32x4.sub(f32x4.splat(AMPLITUDE), f32x4.mul(f32x4.mul(x, x), f32x4.splat(1 / AMPLITUDE))),
    );
    d = f32x4.mul(d, slope);
  }
  return flushTiny(d, TINY);
}

/** out [count][LANES]: the deltas before an activation x [count][LANES]; `out` may be `d`. */
export function activationBackward(d: usize, x: usize, count: i32, activation: i32, out: usize): void {
  const end = x + <usize>count * BLOCK;
  for (; x < end; x += 16, d += 16, out += 16) v128.store(out, deactivate(v128.load(d), v128.load(x), activation));
}
