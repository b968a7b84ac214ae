/**
 * Fully connected layers as matrix products over [feature][LANES], and the gradients of their inputs. Tiles of four outputs
 * by two registers keep eight accumulators; tails take one at a time. The weights' gradients are in weight-gradient.ts.
 */
import { activate, deactivate } from './activation';
import { biasAt } from '../lanes';
import { BLOCK } from '../math';

/** out [outputs][LANES] = activation(w [outputs][inputs] x [inputs][LANES] + bias); bias 0: none. */
export function denseForward(w: usize, bias: usize, x: usize, inputs: i32, outputs: i32, activation: i32, out: usize): void {
  const row = <usize>inputs << 2;
  const end = x + <usize>inputs * BLOCK;
  let left = outputs;
  for (; left >= 4; left -= 4) {
    let a0 = biasAt(bias, 0), b0 = a0;
    let a1 = biasAt(bias, 1), b1 = a1;
    let a2 = biasAt(bias, 2), b2 = a2;
    let a3 = biasAt(bias, 3), b3 = a3;
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
    if (bias != 0) bias += 16;
    out += 4 * BLOCK;
  }
  for (; left > 0; --left) {
    let a = biasAt(bias, 0), b = a;
    for (let p = x; p < end; p += BLOCK) {
      const s = v128.load32_splat(w);
      a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
      b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
      w += 4;
    }
    v128.store(out, activate(a, activation));
    v128.store(out, activate(b, activation), 16);
    if (bias != 0) bias += 4;
    out += BLOCK;
  }
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
