/**
 * The machine's ceiling for this kind of code: multiply and add in 128-bit registers, in tiles of two registers by 4 to 7
 * factors, so of 8 to 14 accumulators. All operands are loaded in every iteration, from memory that stays in the first-level
 * cache. Outside the kernel's module, whose bytes are part of the numerics digest.
 */

/** Iterations of one pass. */
const STEPS: usize = 64;
const STEP: usize = 16;

export function peak8(p: usize, repeats: i32): f32 {
  return tile(p, repeats, 4);
}

export function peak10(p: usize, repeats: i32): f32 {
  return tile(p, repeats, 5);
}

export function peak12(p: usize, repeats: i32): f32 {
  return tile(p, repeats, 6);
}

export function peak14(p: usize, repeats: i32): f32 {
  return tile(p, repeats, 7);
}

/** Inlined, so that the compiler drops the factors beyond `factors`, a constant. */
// @ts-ignore: AssemblyScript decorator
@inline
function tile(p: usize, repeats: i32, factors: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero, b4 = zero, b5 = zero, b6 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    const end = p + STEPS * STEP;
    for (let q = p; q < end; q += STEP) {
      const x = v128.load(q), y = v128.load(q, 16);
      let s = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s, x));
      b0 = f32x4.add(b0, f32x4.mul(s, y));
      s = v128.load(q, 4112);
      a1 = f32x4.add(a1, f32x4.mul(s, x));
      b1 = f32x4.add(b1, f32x4.mul(s, y));
      s = v128.load(q, 4128);
      a2 = f32x4.add(a2, f32x4.mul(s, x));
      b2 = f32x4.add(b2, f32x4.mul(s, y));
      s = v128.load(q, 4144);
      a3 = f32x4.add(a3, f32x4.mul(s, x));
      b3 = f32x4.add(b3, f32x4.mul(s, y));
      if (factors > 4) {
        s = v128.load(q, 4160);
        a4 = f32x4.add(a4, f32x4.mul(s, x));
        b4 = f32x4.add(b4, f32x4.mul(s, y));
      }
      if (factors > 5) {
        s = v128.load(q, 4176);
        a5 = f32x4.add(a5, f32x4.mul(s, x));
        b5 = f32x4.add(b5, f32x4.mul(s, y));
      }
      if (factors > 6) {
        s = v128.load(q, 4192);
        a6 = f32x4.add(a6, f32x4.mul(s, x));
        b6 = f32x4.add(b6, f32x4.mul(s, y));
      }
    }
  }
  a0 = f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3));
  a4 = f32x4.add(f32x4.add(a4, a5), a6);
  b0 = f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3));
  b4 = f32x4.add(f32x4.add(b4, b5), b6);
  return f32x4.extract_lane(f32x4.add(f32x4.add(a0, a4), f32x4.add(b0, b4)), 0);
}
