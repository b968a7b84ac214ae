/** The real positions of a pooling window: what lies in the padding takes no part. */

/** The first row (or column) of the input under a window: 0, or where the window starts. */
// @ts-ignore: AssemblyScript decorator
@inline
export function windowBegin(place: i32, stride: i32, padding: i32): i32 {
  return max(place * stride - padding, 0);
}

/** The row (or column) behind the window's last real one. */
// @ts-ignore: AssemblyScript decorator
@inline
export function windowEnd(place: i32, stride: i32, padding: i32, size: i32, limit: i32): i32 {
  return min(place * stride - padding + size, limit);
}
