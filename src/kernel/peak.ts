/**
 * The machine's ceiling for this kind of code: multiply and add in 128-bit registers, in tiles of two registers by as many
 * factors as the accumulators allow, all operands loaded in every iteration from memory that stays in the first-level cache.
 * Outside the kernel's module, whose bytes are part of the numerics digest.
 */

/** Iterations of one pass. */
const STEPS: usize = 64;
const STEP: usize = 16;

export function peak8(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    const end = p + STEPS * STEP;
    for (let q = p; q < end; q += STEP) {
      const x = v128.load(q), y = v128.load(q, 16);
      const s0 = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s0, x));
      a1 = f32x4.add(a1, f32x4.mul(s0, y));
      const s1 = v128.load(q, 4112);
      a2 = f32x4.add(a2, f32x4.mul(s1, x));
      a3 = f32x4.add(a3, f32x4.mul(s1, y));
      const s2 = v128.load(q, 4128);
      a4 = f32x4.add(a4, f32x4.mul(s2, x));
      a5 = f32x4.add(a5, f32x4.mul(s2, y));
      const s3 = v128.load(q, 4144);
      a6 = f32x4.add(a6, f32x4.mul(s3, x));
      a7 = f32x4.add(a7, f32x4.mul(s3, y));
    }
  }
  a0 = f32x4.add(a0, a1);
  a0 = f32x4.add(a0, a2);
  a0 = f32x4.add(a0, a3);
  a0 = f32x4.add(a0, a4);
  a0 = f32x4.add(a0, a5);
  a0 = f32x4.add(a0, a6);
  a0 = f32x4.add(a0, a7);
  return f32x4.extract_lane(a0, 0);
}

export function peak10(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  let a8 = zero, a9 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    const end = p + STEPS * STEP;
    for (let q = p; q < end; q += STEP) {
      const x = v128.load(q), y = v128.load(q, 16);
      const s0 = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s0, x));
      a1 = f32x4.add(a1, f32x4.mul(s0, y));
      const s1 = v128.load(q, 4112);
      a2 = f32x4.add(a2, f32x4.mul(s1, x));
      a3 = f32x4.add(a3, f32x4.mul(s1, y));
      const s2 = v128.load(q, 4128);
      a4 = f32x4.add(a4, f32x4.mul(s2, x));
      a5 = f32x4.add(a5, f32x4.mul(s2, y));
      const s3 = v128.load(q, 4144);
      a6 = f32x4.add(a6, f32x4.mul(s3, x));
      a7 = f32x4.add(a7, f32x4.mul(s3, y));
      const s4 = v128.load(q, 4160);
      a8 = f32x4.add(a8, f32x4.mul(s4, x));
      a9 = f32x4.add(a9, f32x4.mul(s4, y));
    }
  }
  a0 = f32x4.add(a0, a1);
  a0 = f32x4.add(a0, a2);
  a0 = f32x4.add(a0, a3);
  a0 = f32x4.add(a0, a4);
  a0 = f32x4.add(a0, a5);
  a0 = f32x4.add(a0, a6);
  a0 = f32x4.add(a0, a7);
  a0 = f32x4.add(a0, a8);
  a0 = f32x4.add(a0, a9);
  return f32x4.extract_lane(a0, 0);
}

export function peak12(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  let a8 = zero, a9 = zero, a10 = zero, a11 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    const end = p + STEPS * STEP;
    for (let q = p; q < end; q += STEP) {
      const x = v128.load(q), y = v128.load(q, 16);
      const s0 = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s0, x));
      a1 = f32x4.add(a1, f32x4.mul(s0, y));
      const s1 = v128.load(q, 4112);
      a2 = f32x4.add(a2, f32x4.mul(s1, x));
      a3 = f32x4.add(a3, f32x4.mul(s1, y));
      const s2 = v128.load(q, 4128);
      a4 = f32x4.add(a4, f32x4.mul(s2, x));
      a5 = f32x4.add(a5, f32x4.mul(s2, y));
      const s3 = v128.load(q, 4144);
      a6 = f32x4.add(a6, f32x4.mul(s3, x));
      a7 = f32x4.add(a7, f32x4.mul(s3, y));
      const s4 = v128.load(q, 4160);
      a8 = f32x4.add(a8, f32x4.mul(s4, x));
      a9 = f32x4.add(a9, f32x4.mul(s4, y));
      const s5 = v128.load(q, 4176);
      a10 = f32x4.add(a10, f32x4.mul(s5, x));
      a11 = f32x4.add(a11, f32x4.mul(s5, y));
    }
  }
  a0 = f32x4.add(a0, a1);
  a0 = f32x4.add(a0, a2);
  a0 = f32x4.add(a0, a3);
  a0 = f32x4.add(a0, a4);
  a0 = f32x4.add(a0, a5);
  a0 = f32x4.add(a0, a6);
  a0 = f32x4.add(a0, a7);
  a0 = f32x4.add(a0, a8);
  a0 = f32x4.add(a0, a9);
  a0 = f32x4.add(a0, a10);
  a0 = f32x4.add(a0, a11);
  return f32x4.extract_lane(a0, 0);
}

export function peak14(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  let a8 = zero, a9 = zero, a10 = zero, a11 = zero, a12 = zero, a13 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    const end = p + STEPS * STEP;
    for (let q = p; q < end; q += STEP) {
      const x = v128.load(q), y = v128.load(q, 16);
      const s0 = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s0, x));
      a1 = f32x4.add(a1, f32x4.mul(s0, y));
      const s1 = v128.load(q, 4112);
      a2 = f32x4.add(a2, f32x4.mul(s1, x));
      a3 = f32x4.add(a3, f32x4.mul(s1, y));
      const s2 = v128.load(q, 4128);
      a4 = f32x4.add(a4, f32x4.mul(s2, x));
      a5 = f32x4.add(a5, f32x4.mul(s2, y));
      const s3 = v128.load(q, 4144);
      a6 = f32x4.add(a6, f32x4.mul(s3, x));
      a7 = f32x4.add(a7, f32x4.mul(s3, y));
      const s4 = v128.load(q, 4160);
      a8 = f32x4.add(a8, f32x4.mul(s4, x));
      a9 = f32x4.add(a9, f32x4.mul(s4, y));
      const s5 = v128.load(q, 4176);
      a10 = f32x4.add(a10, f32x4.mul(s5, x));
      a11 = f32x4.add(a11, f32x4.mul(s5, y));
      const s6 = v128.load(q, 4192);
      a12 = f32x4.add(a12, f32x4.mul(s6, x));
      a13 = f32x4.add(a13, f32x4.mul(s6, y));
    }
  }
  a0 = f32x4.add(a0, a1);
  a0 = f32x4.add(a0, a2);
  a0 = f32x4.add(a0, a3);
  a0 = f32x4.add(a0, a4);
  a0 = f32x4.add(a0, a5);
  a0 = f32x4.add(a0, a6);
  a0 = f32x4.add(a0, a7);
  a0 = f32x4.add(a0, a8);
  a0 = f32x4.add(a0, a9);
  a0 = f32x4.add(a0, a10);
  a0 = f32x4.add(a0, a11);
  a0 = f32x4.add(a0, a12);
  a0 = f32x4.add(a0, a13);
  return f32x4.extract_lane(a0, 0);
}
