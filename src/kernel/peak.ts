/**
 * The machine's ceiling for this kind of code: multiply and add in 128-bit registers, both operands of the product loaded
 * from memory that stays in the first-level cache. Outside the kernel's module, whose bytes are part of the numerics digest.
 */

/** Iterations of one pass. */
const STEPS: usize = 64;
const STEP: usize = 16;

export function peak8(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    let q = p;
    const end = p + STEPS * STEP;
    do {
      const s = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(q)));
      a1 = f32x4.add(a1, f32x4.mul(s, v128.load(q, 16)));
      a2 = f32x4.add(a2, f32x4.mul(s, v128.load(q, 32)));
      a3 = f32x4.add(a3, f32x4.mul(s, v128.load(q, 48)));
      a4 = f32x4.add(a4, f32x4.mul(s, v128.load(q, 64)));
      a5 = f32x4.add(a5, f32x4.mul(s, v128.load(q, 80)));
      a6 = f32x4.add(a6, f32x4.mul(s, v128.load(q, 96)));
      a7 = f32x4.add(a7, f32x4.mul(s, v128.load(q, 112)));
      q += STEP;
    } while (q < end);
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3), a4), a5), a6), a7), 0);
}

export function peak10(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  let a8 = zero, a9 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    let q = p;
    const end = p + STEPS * STEP;
    do {
      const s = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(q)));
      a1 = f32x4.add(a1, f32x4.mul(s, v128.load(q, 16)));
      a2 = f32x4.add(a2, f32x4.mul(s, v128.load(q, 32)));
      a3 = f32x4.add(a3, f32x4.mul(s, v128.load(q, 48)));
      a4 = f32x4.add(a4, f32x4.mul(s, v128.load(q, 64)));
      a5 = f32x4.add(a5, f32x4.mul(s, v128.load(q, 80)));
      a6 = f32x4.add(a6, f32x4.mul(s, v128.load(q, 96)));
      a7 = f32x4.add(a7, f32x4.mul(s, v128.load(q, 112)));
      a8 = f32x4.add(a8, f32x4.mul(s, v128.load(q, 128)));
      a9 = f32x4.add(a9, f32x4.mul(s, v128.load(q, 144)));
      q += STEP;
    } while (q < end);
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3), a4), a5), a6), a7), a8), a9), 0);
}

export function peak12(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  let a8 = zero, a9 = zero, a10 = zero, a11 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    let q = p;
    const end = p + STEPS * STEP;
    do {
      const s = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(q)));
      a1 = f32x4.add(a1, f32x4.mul(s, v128.load(q, 16)));
      a2 = f32x4.add(a2, f32x4.mul(s, v128.load(q, 32)));
      a3 = f32x4.add(a3, f32x4.mul(s, v128.load(q, 48)));
      a4 = f32x4.add(a4, f32x4.mul(s, v128.load(q, 64)));
      a5 = f32x4.add(a5, f32x4.mul(s, v128.load(q, 80)));
      a6 = f32x4.add(a6, f32x4.mul(s, v128.load(q, 96)));
      a7 = f32x4.add(a7, f32x4.mul(s, v128.load(q, 112)));
      a8 = f32x4.add(a8, f32x4.mul(s, v128.load(q, 128)));
      a9 = f32x4.add(a9, f32x4.mul(s, v128.load(q, 144)));
      a10 = f32x4.add(a10, f32x4.mul(s, v128.load(q, 160)));
      a11 = f32x4.add(a11, f32x4.mul(s, v128.load(q, 176)));
      q += STEP;
    } while (q < end);
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3), a4), a5), a6), a7), a8), a9), a10), a11), 0);
}

export function peak14(p: usize, repeats: i32): f32 {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero, a5 = zero, a6 = zero, a7 = zero;
  let a8 = zero, a9 = zero, a10 = zero, a11 = zero, a12 = zero, a13 = zero;
  for (let r: i32 = 0; r < repeats; ++r) {
    let q = p;
    const end = p + STEPS * STEP;
    do {
      const s = v128.load(q, 4096);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(q)));
      a1 = f32x4.add(a1, f32x4.mul(s, v128.load(q, 16)));
      a2 = f32x4.add(a2, f32x4.mul(s, v128.load(q, 32)));
      a3 = f32x4.add(a3, f32x4.mul(s, v128.load(q, 48)));
      a4 = f32x4.add(a4, f32x4.mul(s, v128.load(q, 64)));
      a5 = f32x4.add(a5, f32x4.mul(s, v128.load(q, 80)));
      a6 = f32x4.add(a6, f32x4.mul(s, v128.load(q, 96)));
      a7 = f32x4.add(a7, f32x4.mul(s, v128.load(q, 112)));
      a8 = f32x4.add(a8, f32x4.mul(s, v128.load(q, 128)));
      a9 = f32x4.add(a9, f32x4.mul(s, v128.load(q, 144)));
      a10 = f32x4.add(a10, f32x4.mul(s, v128.load(q, 160)));
      a11 = f32x4.add(a11, f32x4.mul(s, v128.load(q, 176)));
      a12 = f32x4.add(a12, f32x4.mul(s, v128.load(q, 192)));
      a13 = f32x4.add(a13, f32x4.mul(s, v128.load(q, 208)));
      q += STEP;
    } while (q < end);
  }
  return f32x4.extract_lane(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3), a4), a5), a6), a7), a8), a9), a10), a11), a12), a13), 0);
}
