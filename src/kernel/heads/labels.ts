/** What the heads over class labels share. */
import { BLOCK, log } from '../math';

/** 1 in the lanes whose label is `k`, else 0. */
// @ts-ignore: AssemblyScript decorator
@inline
export function oneHot(labels: usize, k: i32): v128 {
  return v128.and(i32x4.eq(v128.load(labels), i32x4.splat(k)), f32x4.splat(1));
}

/** Adds log(sum) + shift of each real lane. */
export function addLosses(loss: f64, sum: v128, shift: v128, first: i32, count: i32): f64 {
  loss += log(<f64>f32x4.extract_lane(sum, 0)) + <f64>f32x4.extract_lane(shift, 0);
  if (first + 1 < count) loss += log(<f64>f32x4.extract_lane(sum, 1)) + <f64>f32x4.extract_lane(shift, 1);
  if (first + 2 < count) loss += log(<f64>f32x4.extract_lane(sum, 2)) + <f64>f32x4.extract_lane(shift, 2);
  if (first + 3 < count) loss += log(<f64>f32x4.extract_lane(sum, 3)) + <f64>f32x4.extract_lane(shift, 3);
  return loss;
}

/** Zeroes the second register of every class if no real sample reaches it. */
export function clearBehind(d: usize, classes: i32, count: i32): void {
  if (count > 4) return;
  for (let k: i32 = 0; k < classes; ++k) v128.store(d + <usize>k * BLOCK, f32x4.splat(0), 16);
}
