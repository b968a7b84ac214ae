/** Activations of map stacks, forward and backward. Their derivatives are had from their own values. */
import { LINEAR, RELU, SCALED_TANH, activate as activateDense, deactivate } from './dense/activation';
import { MapStack } from './map-stack';
import { BLOCK, TINY, flushTiny, sigmoid, tanh } from './math';

/** Numbers 0 to 2 are those of dense/activation.ts. */
export const TANH: i32 = 3;
export const SIGMOID: i32 = 4;
export const LEAKY_RELU: i32 = 5;

/**
 * out = f(x); `out` may be `x`.
 * @param kind an activation's number
 * @param slope leaky ReLU's factor of negative values, at least 0; else unused
 */
export function activate(x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, kind: i32, slope: f32): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) activateRow(x.at(m, y), out.at(m, y), width, kind, slope);
  }
}

function activateRow(x: usize, out: usize, width: i32, kind: i32, slope: f32): void {
  const end = x + <usize>width * BLOCK;
  switch (kind) {
    case RELU:
      for (; x < end; x += 16, out += 16) v128.store(out, activateDense(v128.load(x), RELU));
      break;
    case SCALED_TANH:
      for (; x < end; x += 16, out += 16) v128.store(out, activateDense(v128.load(x), SCALED_TANH));
      break;
    case TANH:
      for (; x < end; x += 16, out += 16) v128.store(out, tanh(v128.load(x)));
      break;
    case SIGMOID:
      for (; x < end; x += 16, out += 16) v128.store(out, sigmoid(v128.load(x)));
      break;
    case LEAKY_RELU:
      for (; x < end; x += 16, out += 16) v128.store(out, leakyRelu(v128.load(x), v128.load(x), slope));
      break;
    default:
      for (; x < end; x += 16, out += 16) v128.store(out, v128.load(x));
  }
}

/** x, times `slope` where `sign` <= 0; NaN passes. Forward the sign is x's, backward the activation's. */
// @ts-ignore: AssemblyScript decorator
@inline
function leakyRelu(x: v128, sign: v128, slope: f32): v128 {
  return v128.bitselect(f32x4.mul(x, f32x4.splat(slope)), x, f32x4.le(sign, f32x4.splat(0)));
}

/** dx = dy f'(x) from y = f(x), flushed to 0 below TINY; `dx` may be `dy`. A NaN in y lets dy pass a ReLU. */
export function activateBackward(
  y: MapStack, dy: MapStack, dx: MapStack, maps: i32, height: i32, width: i32, kind: i32, slope: f32,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let row: i32 = 0; row < height; ++row) {
      activateRowBackward(y.at(m, row), dy.at(m, row), dx.at(m, row), width, kind, slope);
    }
  }
}

function activateRowBackward(y: usize, dy: usize, dx: usize, width: i32, kind: i32, slope: f32): void {
  const end = y + <usize>width * BLOCK;
  switch (kind) {
    case RELU:
      for (; y < end; y += 16, dy += 16, dx += 16) v128.store(dx, deactivate(v128.load(dy), v128.load(y), RELU));
      break;
    case SCALED_TANH:
      for (; y < end; y += 16, dy += 16, dx += 16) v128.store(dx, deactivate(v128.load(dy), v128.load(y), SCALED_TANH));
      break;
    case TANH:
      for (; y < end; y += 16, dy += 16, dx += 16) v128.store(dx, slopeTimes(v128.load(dy), tanhSlope(v128.load(y))));
      break;
    case SIGMOID:
      for (; y < end; y += 16, dy += 16, dx += 16) v128.store(dx, slopeTimes(v128.load(dy), sigmoidSlope(v128.load(y))));
      break;
    case LEAKY_RELU:
      for (; y < end; y += 16, dy += 16, dx += 16) {
        v128.store(dx, flushTiny(leakyRelu(v128.load(dy), v128.load(y), slope), TINY));
      }
      break;
    default:
      for (; y < end; y += 16, dy += 16, dx += 16) v128.store(dx, deactivate(v128.load(dy), v128.load(y), LINEAR));
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function slopeTimes(d: v128, slope: v128): v128 {
  return flushTiny(f32x4.mul(d, slope), TINY);
}

// @ts-ignore: AssemblyScript decorator
@inline
function tanhSlope(y: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(y, y));
}

// @ts-ignore: AssemblyScript decorator
@inline
function sigmoidSlope(y: v128): v128 {
  return f32x4.mul(y, f32x4.sub(f32x4.splat(1), y));
}
