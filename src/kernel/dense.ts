/**
 * Fully connected layers as matrix products over [feature][LANES]. Tiles of four outputs by two registers keep eight
 * accumulators; tails take one at a time.
 */
import { BLOCK, LANES, TINY, flushTiny, relu, tanh } from './math';
import { horizontalSum } from './conv';
import { put } from './subsample';

/** Identity, relu and 1.7159 tanh(2a/3), as the host names them. */
export const LINEAR: i32 = 0;
export const RELU: i32 = 1;
export const SCALED_TANH: i32 = 2;

const AMPLITUDE: f32 = 1.7159;
const SLOPE: f32 = 2.0 / 3.0;

// @ts-ignore: AssemblyScript decorator
@inline
function activate(x: v128, activation: i32): v128 {
  if (activation == RELU) return relu(x);
  if (activation == SCALED_TANH) return f32x4.mul(f32x4.splat(AMPLITUDE), tanh(f32x4.mul(f32x4.splat(SLOPE), x)));
  return x;
}

/** out [outputs][LANES] = activation(w [outputs][inputs] x [inputs][LANES] + bias). */
export function denseForward(w: usize, bias: usize, x: usize, inputs: i32, outputs: i32, activation: i32, out: usize): void {
  const row = <usize>inputs << 2;
  const end = x + <usize>inputs * BLOCK;
  let left = outputs;
  for (; left >= 4; left -= 4) {
    let a0 = v128.load32_splat(bias), b0 = a0;
    let a1 = v128.load32_splat(bias, 4), b1 = a1;
    let a2 = v128.load32_splat(bias, 8), b2 = a2;
    let a3 = v128.load32_splat(bias, 12), b3 = a3;
    let tap = w;
    let p = x;
    do {
      const u = v128.load(p);
      const v = v128.load(p, 16);
      let s = v128.load32_splat(tap);
      a0 = f32x4.add(a0, f32x4.mul(s, u));
      b0 = f32x4.add(b0, f32x4.mul(s, v));
      s = v128.load32_splat(tap + row);
      a1 = f32x4.add(a1, f32x4.mul(s, u));
      b1 = f32x4.add(b1, f32x4.mul(s, v));
      s = v128.load32_splat(tap + 2 * row);
      a2 = f32x4.add(a2, f32x4.mul(s, u));
      b2 = f32x4.add(b2, f32x4.mul(s, v));
      s = v128.load32_splat(tap + 3 * row);
      a3 = f32x4.add(a3, f32x4.mul(s, u));
      b3 = f32x4.add(b3, f32x4.mul(s, v));
      tap += 4;
      p += BLOCK;
    } while (p < end);
    v128.store(out, activate(a0, activation));
    v128.store(out, activate(b0, activation), 16);
    v128.store(out, activate(a1, activation), BLOCK);
    v128.store(out, activate(b1, activation), BLOCK + 16);
    v128.store(out, activate(a2, activation), 2 * BLOCK);
    v128.store(out, activate(b2, activation), 2 * BLOCK + 16);
    v128.store(out, activate(a3, activation), 3 * BLOCK);
    v128.store(out, activate(b3, activation), 3 * BLOCK + 16);
    w += 4 * row;
    bias += 16;
    out += 4 * BLOCK;
  }
  for (; left > 0; --left) {
    let a = v128.load32_splat(bias), b = a;
    for (let p = x; p < end; p += BLOCK) {
      const s = v128.load32_splat(w);
      a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
      b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
      w += 4;
    }
    v128.store(out, activate(a, activation));
    v128.store(out, activate(b, activation), 16);
    bias += 4;
    out += BLOCK;
  }
}

/** The delta before an activation from the one behind it, by the activation's own value. */
// @ts-ignore: AssemblyScript decorator
@inline
function deactivate(d: v128, x: v128, activation: i32): v128 {
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

/**
 * out [inputs][LANES] = transpose(w [outputs][inputs]) d [outputs][LANES], brought through the activation of x
 * [inputs][LANES], the layer's input.
 */
export function denseInputGradient(
  w: usize, d: usize, x: usize, inputs: i32, outputs: i32, activation: i32, out: usize,
): void {
  const row = <usize>inputs << 2;
  const end = d + <usize>outputs * BLOCK;
  let left = inputs;
  for (; left >= 4; left -= 4) {
    const zero = f32x4.splat(0);
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    let tap = w;
    let p = d;
    do {
      const u = v128.load(p);
      const v = v128.load(p, 16);
      let s = v128.load32_splat(tap);
      a0 = f32x4.add(a0, f32x4.mul(s, u));
      b0 = f32x4.add(b0, f32x4.mul(s, v));
      s = v128.load32_splat(tap, 4);
      a1 = f32x4.add(a1, f32x4.mul(s, u));
      b1 = f32x4.add(b1, f32x4.mul(s, v));
      s = v128.load32_splat(tap, 8);
      a2 = f32x4.add(a2, f32x4.mul(s, u));
      b2 = f32x4.add(b2, f32x4.mul(s, v));
      s = v128.load32_splat(tap, 12);
      a3 = f32x4.add(a3, f32x4.mul(s, u));
      b3 = f32x4.add(b3, f32x4.mul(s, v));
      tap += row;
      p += BLOCK;
    } while (p < end);
    v128.store(out, deactivate(a0, v128.load(x), activation));
    v128.store(out, deactivate(b0, v128.load(x, 16), activation), 16);
    v128.store(out, deactivate(a1, v128.load(x, BLOCK), activation), BLOCK);
    v128.store(out, deactivate(b1, v128.load(x, BLOCK + 16), activation), BLOCK + 16);
    v128.store(out, deactivate(a2, v128.load(x, 2 * BLOCK), activation), 2 * BLOCK);
    v128.store(out, deactivate(b2, v128.load(x, 2 * BLOCK + 16), activation), 2 * BLOCK + 16);
    v128.store(out, deactivate(a3, v128.load(x, 3 * BLOCK), activation), 3 * BLOCK);
    v128.store(out, deactivate(b3, v128.load(x, 3 * BLOCK + 16), activation), 3 * BLOCK + 16);
    w += 16;
    x += 4 * BLOCK;
    out += 4 * BLOCK;
  }
  for (; left > 0; --left) {
    let a = f32x4.splat(0), b = f32x4.splat(0);
    let tap = w;
    for (let p = d; p < end; p += BLOCK) {
      const s = v128.load32_splat(tap);
      a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
      b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
      tap += row;
    }
    v128.store(out, deactivate(a, v128.load(x), activation));
    v128.store(out, deactivate(b, v128.load(x, 16), activation), 16);
    w += 4;
    x += BLOCK;
    out += BLOCK;
  }
}

/** x [features][LANES] to out [LANES][features rounded up to 4], so that weight gradients need no horizontal sums. */
export function transpose(x: usize, features: i32, out: usize): void {
  const row = <usize>((features + 3) & ~3) << 2;
  let left = features;
  for (; left >= 4; left -= 4) {
    transposeQuad(x, row, out);
    transposeQuad(x + 16, row, out + 4 * row);
    x += 4 * BLOCK;
    out += 16;
  }
  for (; left > 0; --left) {
    for (let s: usize = 0; s < <usize>LANES; ++s) store<f32>(out + s * row, load<f32>(x + (s << 2)));
    x += BLOCK;
    out += 4;
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function transposeQuad(x: usize, row: usize, out: usize): void {
  const a = v128.load(x), b = v128.load(x, BLOCK), c = v128.load(x, 2 * BLOCK), d = v128.load(x, 3 * BLOCK);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(out + row, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
  v128.store(out + 2 * row, v128.shuffle<f32>(ab2, cd2, 0, 1, 4, 5));
  v128.store(out + 3 * row, v128.shuffle<f32>(ab2, cd2, 2, 3, 6, 7));
}

/**
 * gradient [outputs][inputs] = d [outputs][LANES] xT [LANES][inputs], samples in order, and biasGradient [outputs] = the
 * sum of d over lanes. Adds to the targets if `accumulate`, else writes them.
 */
export function denseWeightGradient(
  d: usize, xT: usize, inputs: i32, outputs: i32, gradient: usize, biasGradient: usize, accumulate: bool,
): void {
  const row = <usize>inputs << 2;
  const rowT = <usize>((inputs + 3) & ~3) << 2;
  const columns = inputs & ~7;
  for (let o: i32 = 0; o < outputs; ++o) {
    const at = <usize>o << 2;
    put(biasGradient + at, horizontalSum(f32x4.add(v128.load(d + <usize>o * BLOCK), v128.load(d + <usize>o * BLOCK, 16))), accumulate);
  }
  let left = outputs;
  for (; left >= 4; left -= 4) {
    for (let i: i32 = 0; i < columns; i += 8) {
      const at = <usize>i << 2;
      gradientTile4(d, xT + at, rowT, gradient + at, row, accumulate);
    }
    for (let o: i32 = 0; o < 4; ++o) gradientTail(d + <usize>o * BLOCK, xT, rowT, columns, inputs, gradient + <usize>o * row, accumulate);
    d += 4 * BLOCK;
    gradient += 4 * row;
  }
  for (; left > 0; --left) {
    gradientTail(d, xT, rowT, 0, inputs, gradient, accumulate);
    d += BLOCK;
    gradient += row;
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function gradientTile4(d: usize, xT: usize, rowT: usize, gradient: usize, row: usize, accumulate: bool): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  const end = d + BLOCK;
  do {
    const u = v128.load(xT);
    const v = v128.load(xT, 16);
    let s = v128.load32_splat(d);
    a0 = f32x4.add(a0, f32x4.mul(s, u));
    b0 = f32x4.add(b0, f32x4.mul(s, v));
    s = v128.load32_splat(d, BLOCK);
    a1 = f32x4.add(a1, f32x4.mul(s, u));
    b1 = f32x4.add(b1, f32x4.mul(s, v));
    s = v128.load32_splat(d, 2 * BLOCK);
    a2 = f32x4.add(a2, f32x4.mul(s, u));
    b2 = f32x4.add(b2, f32x4.mul(s, v));
    s = v128.load32_splat(d, 3 * BLOCK);
    a3 = f32x4.add(a3, f32x4.mul(s, u));
    b3 = f32x4.add(b3, f32x4.mul(s, v));
    d += 4;
    xT += rowT;
  } while (d < end);
  putVector(gradient, a0, accumulate);
  putVector(gradient + 16, b0, accumulate);
  gradient += row;
  putVector(gradient, a1, accumulate);
  putVector(gradient + 16, b1, accumulate);
  gradient += row;
  putVector(gradient, a2, accumulate);
  putVector(gradient + 16, b2, accumulate);
  gradient += row;
  putVector(gradient, a3, accumulate);
  putVector(gradient + 16, b3, accumulate);
}

/** One output's columns [begin, end), four and then one at a time. */
function gradientTail(d: usize, xT: usize, rowT: usize, begin: i32, end: i32, gradient: usize, accumulate: bool): void {
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const at = <usize>i << 2;
    let a = f32x4.splat(0);
    for (let s: usize = 0; s < <usize>LANES; ++s) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(d + (s << 2)), v128.load(xT + at + s * rowT)));
    }
    putVector(gradient + at, a, accumulate);
  }
  for (; i < end; ++i) {
    const at = <usize>i << 2;
    let a: f32 = 0;
    for (let s: usize = 0; s < <usize>LANES; ++s) a += load<f32>(d + (s << 2)) * load<f32>(xT + at + s * rowT);
    put(gradient + at, a, accumulate);
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function putVector(target: usize, value: v128, accumulate: bool): void {
  v128.store(target, accumulate ? f32x4.add(v128.load(target), value) : value);
}
