/**
 * Neighbouring outputs of a convolution at once. A tile of five outputs (or, in gradient.ts, taps) by two registers keeps ten
 * accumulators and one splatted weight in registers and reads its other operand from memory; larger tiles spill.
 */
import { BLOCK, relu } from '../math';

/** Bytes from one output's first column of box sums to the next one's. */
export const STRIDE: usize = 2 * BLOCK;

export function forwardTile5(
  x: usize, plane: usize, row: usize, begin: i32, end: i32, inputs: usize, w: usize, bias: v128, size: i32, out: usize,
): void {
  const run = <usize>size * BLOCK;
  let a0 = bias, a1 = bias, a2 = bias, a3 = bias, a4 = bias;
  let b0 = bias, b1 = bias, b2 = bias, b3 = bias, b4 = bias;
  let tap = w + (<usize>(begin * size * size) << 2);
  for (let k = begin; k < end; ++k) {
    let p = x + <usize>load<i32>(inputs + (<usize>k << 2)) * plane;
    for (let ky: i32 = 0; ky < size; ++ky) {
      const stop = p + run;
      do {
        const s = v128.load32_splat(tap);
        a0 = f32x4.add(a0, f32x4.mul(s, v128.load(p)));
        b0 = f32x4.add(b0, f32x4.mul(s, v128.load(p, 16)));
        a1 = f32x4.add(a1, f32x4.mul(s, v128.load(p, STRIDE)));
        b1 = f32x4.add(b1, f32x4.mul(s, v128.load(p, STRIDE + 16)));
        a2 = f32x4.add(a2, f32x4.mul(s, v128.load(p, 2 * STRIDE)));
        b2 = f32x4.add(b2, f32x4.mul(s, v128.load(p, 2 * STRIDE + 16)));
        a3 = f32x4.add(a3, f32x4.mul(s, v128.load(p, 3 * STRIDE)));
        b3 = f32x4.add(b3, f32x4.mul(s, v128.load(p, 3 * STRIDE + 16)));
        a4 = f32x4.add(a4, f32x4.mul(s, v128.load(p, 4 * STRIDE)));
        b4 = f32x4.add(b4, f32x4.mul(s, v128.load(p, 4 * STRIDE + 16)));
        tap += 4;
        p += BLOCK;
      } while (p < stop);
      p += row - run;
    }
  }
  v128.store(out, relu(a0));
  v128.store(out, relu(b0), 16);
  v128.store(out, relu(a1), BLOCK);
  v128.store(out, relu(b1), BLOCK + 16);
  v128.store(out, relu(a2), 2 * BLOCK);
  v128.store(out, relu(b2), 2 * BLOCK + 16);
  v128.store(out, relu(a3), 3 * BLOCK);
  v128.store(out, relu(b3), 3 * BLOCK + 16);
  v128.store(out, relu(a4), 4 * BLOCK);
  v128.store(out, relu(b4), 4 * BLOCK + 16);
}

export function forwardTile4(
  x: usize, plane: usize, row: usize, begin: i32, end: i32, inputs: usize, w: usize, bias: v128, size: i32, out: usize,
): void {
  const run = <usize>size * BLOCK;
  let a0 = bias, a1 = bias, a2 = bias, a3 = bias;
  let b0 = bias, b1 = bias, b2 = bias, b3 = bias;
  let tap = w + (<usize>(begin * size * size) << 2);
  for (let k = begin; k < end; ++k) {
    let p = x + <usize>load<i32>(inputs + (<usize>k << 2)) * plane;
    for (let ky: i32 = 0; ky < size; ++ky) {
      const stop = p + run;
      do {
        const s = v128.load32_splat(tap);
        a0 = f32x4.add(a0, f32x4.mul(s, v128.load(p)));
        b0 = f32x4.add(b0, f32x4.mul(s, v128.load(p, 16)));
        a1 = f32x4.add(a1, f32x4.mul(s, v128.load(p, STRIDE)));
        b1 = f32x4.add(b1, f32x4.mul(s, v128.load(p, STRIDE + 16)));
        a2 = f32x4.add(a2, f32x4.mul(s, v128.load(p, 2 * STRIDE)));
        b2 = f32x4.add(b2, f32x4.mul(s, v128.load(p, 2 * STRIDE + 16)));
        a3 = f32x4.add(a3, f32x4.mul(s, v128.load(p, 3 * STRIDE)));
        b3 = f32x4.add(b3, f32x4.mul(s, v128.load(p, 3 * STRIDE + 16)));
        tap += 4;
        p += BLOCK;
      } while (p < stop);
      p += row - run;
    }
  }
  v128.store(out, relu(a0));
  v128.store(out, relu(b0), 16);
  v128.store(out, relu(a1), BLOCK);
  v128.store(out, relu(b1), BLOCK + 16);
  v128.store(out, relu(a2), 2 * BLOCK);
  v128.store(out, relu(b2), 2 * BLOCK + 16);
  v128.store(out, relu(a3), 3 * BLOCK);
  v128.store(out, relu(b3), 3 * BLOCK + 16);
}

export function forwardTile1(
  x: usize, plane: usize, row: usize, begin: i32, end: i32, inputs: usize, w: usize, bias: v128, size: i32, out: usize,
): void {
  const run = <usize>size * BLOCK;
  let a = bias, b = bias;
  let tap = w + (<usize>(begin * size * size) << 2);
  for (let k = begin; k < end; ++k) {
    let p = x + <usize>load<i32>(inputs + (<usize>k << 2)) * plane;
    for (let ky: i32 = 0; ky < size; ++ky) {
      const stop = p + run;
      do {
        const s = v128.load32_splat(tap);
        a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
        b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
        tap += 4;
        p += BLOCK;
      } while (p < stop);
      p += row - run;
    }
  }
  v128.store(out, relu(a));
  v128.store(out, relu(b), 16);
}
