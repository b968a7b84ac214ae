import { BLOCK, LANES } from './math';

/**
 * Brings one image into a zeroed, padded byte plane.
 * @param image bytes, [height][width], width from 16 to stride
 * @param plane bytes, [rows][stride], already zero where the image doesn't reach
 */
function place(image: usize, width: i32, height: i32, plane: usize, stride: i32, top: i32, left: i32): void {
  let target = plane + <usize>(top * stride + left);
  const last = <usize>(width - 16);
  for (let y: i32 = 0; y < height; ++y) {
    for (let x: usize = 0; x < last; x += 16) v128.store(target + x, v128.load(image + x));
    v128.store(target + last, v128.load(image + last));
    image += <usize>width;
    target += <usize>stride;
  }
}

/** Sums each 2x2 window of a byte plane [side][stride] into 16-bit sums [side - 1][stride]. */
function boxSumBytes(plane: usize, stride: i32, side: i32, sums: usize): void {
  const end = plane + <usize>((side - 1) * stride);
  do {
    const a = v128.load(plane);
    const b = v128.load(plane, 1);
    const c = v128.load(plane + <usize>stride);
    const d = v128.load(plane + <usize>stride, 1);
    const low = i16x8.add(
      i16x8.add(i16x8.extend_low_i8x16_u(a), i16x8.extend_low_i8x16_u(b)),
      i16x8.add(i16x8.extend_low_i8x16_u(c), i16x8.extend_low_i8x16_u(d)),
    );
    const high = i16x8.add(
      i16x8.add(i16x8.extend_high_i8x16_u(a), i16x8.extend_high_i8x16_u(b)),
      i16x8.add(i16x8.extend_high_i8x16_u(c), i16x8.extend_high_i8x16_u(d)),
    );
    v128.store(sums, low);
    v128.store(sums, high, 16);
    plane += 16;
    sums += 32;
  } while (plane < end);
}

/** Four samples' 16-bit sums at four positions, scaled and transposed to [position][lane]. */
// @ts-ignore: AssemblyScript decorator
@inline
function transposeSums(sums: usize, sampleBytes: usize, out: usize): void {
  const scale = f32x4.splat(1.0 / 255.0);
  const a = f32x4.mul(f32x4.convert_i32x4_u(v128.load16x4_u(sums)), scale);
  const b = f32x4.mul(f32x4.convert_i32x4_u(v128.load16x4_u(sums + sampleBytes)), scale);
  const c = f32x4.mul(f32x4.convert_i32x4_u(v128.load16x4_u(sums + 2 * sampleBytes)), scale);
  const d = f32x4.mul(f32x4.convert_i32x4_u(v128.load16x4_u(sums + 3 * sampleBytes)), scale);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(out, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7), BLOCK);
  v128.store(out, v128.shuffle<f32>(ab2, cd2, 0, 1, 4, 5), 2 * BLOCK);
  v128.store(out, v128.shuffle<f32>(ab2, cd2, 2, 3, 6, 7), 3 * BLOCK);
}

/**
 * Decodes up to LANES images, padded and shifted, and leaves the 2x2 box sums of their pixels (scaled to 0..1) in lanes.
 * @param images bytes, [sample][height][width]
 * @param indices i32 [count], which samples
 * @param shifts i8 [count][2], rows down and columns right, at most `padding` either way
 * @param count real samples, 1 to LANES; the other lanes become zero
 * @param stride columns of a padded row, a multiple of 16, at least side + 1
 * @param side rows and columns of the padded image
 * @param scratch LANES byte planes of (side + 1) * stride, then LANES planes of 16-bit sums, side * stride each
 * @param out f32 [side - 1][stride][LANES]; the last column of a row is never read
 */
export function decode(
  images: usize, indices: usize, shifts: usize, count: i32,
  width: i32, height: i32, padding: i32, stride: i32, side: i32,
  scratch: usize, out: usize,
): void {
  const planeBytes = <usize>((side + 1) * stride);
  const sampleBytes = <usize>(2 * side * stride);
  const sums = scratch + planeBytes * <usize>LANES;
  memory.fill(scratch, 0, planeBytes * <usize>LANES);
  for (let s: i32 = 0; s < LANES; ++s) {
    const plane = scratch + planeBytes * <usize>s;
    if (s < count) {
      const image = images + <usize>load<i32>(indices + (<usize>s << 2)) * <usize>(width * height);
      const shift = shifts + (<usize>s << 1);
      place(image, width, height, plane, stride, padding + load<i8>(shift), padding + load<i8>(shift, 1));
    }
    boxSumBytes(plane, stride, side, sums + sampleBytes * <usize>s);
  }
  const positions = (side - 1) * stride;
  for (let p: i32 = 0; p < positions; p += 4) {
    const from = sums + (<usize>p << 1);
    const to = out + <usize>p * BLOCK;
    transposeSums(from, sampleBytes, to);
    transposeSums(from + 4 * sampleBytes, sampleBytes, to + 16);
  }
}
