/** Sums, masks and splats over the LANES samples of a block; the orders of the sums decide bits. */

/** All ones in the lanes below `count` of the register that starts at lane `first`. */
// @ts-ignore: AssemblyScript decorator
@inline
export function laneMask(first: i32, count: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3)), i32x4.splat(count));
}

/** Element `k` of a bias in all lanes; 0 if the layer has no bias (pointer 0). */
// @ts-ignore: AssemblyScript decorator
@inline
export function biasAt(bias: usize, k: usize): v128 {
  return bias == 0 ? f32x4.splat(0) : v128.load32_splat(bias + (k << 2));
}

/** The sum of four lanes: (0 + 2) + (1 + 3). */
// @ts-ignore: AssemblyScript decorator
@inline
export function horizontalSum(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Lanes 2 and 3 in float64. */
// @ts-ignore: AssemblyScript decorator
@inline
export function promoteHigh(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(x, x, 2, 3, 0, 1));
}

/** Two registers of float64 rounded to one of float32. */
// @ts-ignore: AssemblyScript decorator
@inline
export function demote(low: v128, high: v128): v128 {
  return v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
}

/** The sum of eight lanes in float64, lane 0 first. */
export function sumInOrder(a: v128, b: v128, c: v128, d: v128): f64 {
  return f64x2.extract_lane(a, 0) + f64x2.extract_lane(a, 1) +
    f64x2.extract_lane(b, 0) + f64x2.extract_lane(b, 1) +
    f64x2.extract_lane(c, 0) + f64x2.extract_lane(c, 1) +
    f64x2.extract_lane(d, 0) + f64x2.extract_lane(d, 1);
}
