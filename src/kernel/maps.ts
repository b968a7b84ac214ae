/**
 * What the fused kernel never stores: the maps of a convolution before its subsampling, distances to the RBF bitmaps, and
 * class probabilities. For people to look at, so plain rather than fast.
 */
import { BLOCK, LANES, expNonPositive } from './math';

/**
 * Pixels in lanes, scaled to 0..1, from the byte planes that `decode` leaves in its scratch.
 * @param planes bytes, LANES planes of [side + 1][stride]
 * @param out f32 [side][side][LANES]
 */
export function spreadPixels(planes: usize, stride: i32, side: i32, out: usize): void {
  const planeBytes = <usize>((side + 1) * stride);
  for (let y: i32 = 0; y < side; ++y) {
    for (let x: i32 = 0; x < side; ++x) {
      const from = planes + <usize>(y * stride + x);
      for (let s: usize = 0; s < <usize>LANES; ++s) {
        store<f32>(out + (s << 2), <f32>load<u8>(from + s * planeBytes) * <f32>(1.0 / 255.0));
      }
      out += BLOCK;
    }
  }
}

/**
 * A convolution at stride 1, without activation: out = bias + the kernels of each output map over their input maps.
 * @param x f32 [inputMaps][inputHeight][inputWidth][LANES]
 * @param starts i32 [maps + 1], first kernel of each output map
 * @param inputs i32 [kernels], the input map of each
 * @param w f32 [kernels][size][size]; bias f32 [maps]
 * @param out f32 [maps][inputHeight - size + 1][inputWidth - size + 1][LANES]
 */
export function convMaps(
  x: usize, inputHeight: i32, inputWidth: i32, starts: usize, inputs: usize, w: usize, bias: usize,
  size: i32, maps: i32, out: usize,
): void {
  const row = <usize>inputWidth * BLOCK;
  const plane = <usize>inputHeight * row;
  const height = inputHeight - size + 1;
  const width = inputWidth - size + 1;
  for (let o: i32 = 0; o < maps; ++o) {
    const begin = load<i32>(starts + (<usize>o << 2));
    const end = load<i32>(starts + (<usize>o << 2), 4);
    const b = v128.load32_splat(bias + (<usize>o << 2));
    for (let y: i32 = 0; y < height; ++y) {
      for (let column: i32 = 0; column < width; ++column) {
        mapValue(x + <usize>y * row + <usize>column * BLOCK, plane, row, begin, end, inputs, w, b, size, out);
        out += BLOCK;
      }
    }
  }
}

function mapValue(
  x: usize, plane: usize, row: usize, begin: i32, end: i32, inputs: usize, w: usize, bias: v128, size: i32, out: usize,
): void {
  const run = <usize>size * BLOCK;
  let a = bias, b = bias;
  let tap = w + (<usize>(begin * size * size) << 2);
  for (let k = begin; k < end; ++k) {
    let p = x + <usize>load<i32>(inputs + (<usize>k << 2)) * plane;
    for (let ky: i32 = 0; ky < size; ++ky) {
      for (let stop = p + run; p < stop; p += BLOCK) {
        const s = v128.load32_splat(tap);
        a = f32x4.add(a, f32x4.mul(s, v128.load(p)));
        b = f32x4.add(b, f32x4.mul(s, v128.load(p, 16)));
        tap += 4;
      }
      p += row - run;
    }
  }
  v128.store(out, a);
  v128.store(out, b, 16);
}

/**
 * y_i = sum_j (x_j - t_ij)^2, summed in float64: distances around 100 go through exp, which magnifies float32's roundings of them.
 * @param x f32 [units][LANES]
 * @param targets f32 [classes][units]
 * @param y f32 [classes][LANES], written
 * @param z f32 [classes][LANES], written: logits of the same probabilities, the lowest distance - y
 */
export function rbfDistances(x: usize, targets: usize, classes: i32, units: i32, y: usize, z: usize): void {
  for (let s: usize = 0; s < <usize>LANES; ++s) {
    const lane = s << 2;
    let lowest: f64 = Infinity;
    for (let k: i32 = 0; k < classes; ++k) lowest = min(lowest, squaredDistance(x + lane, targets, k, units));
    for (let k: i32 = 0; k < classes; ++k) {
      const distance = squaredDistance(x + lane, targets, k, units);
      store<f32>(y + lane + <usize>k * BLOCK, <f32>distance);
      store<f32>(z + lane + <usize>k * BLOCK, <f32>(lowest - distance));
    }
  }
}

function squaredDistance(x: usize, targets: usize, k: i32, units: i32): f64 {
  let sum: f64 = 0;
  let target = targets + (<usize>(k * units) << 2);
  for (const end = target + (<usize>units << 2); target < end; target += 4) {
    const difference = <f64>load<f32>(x) - <f64>load<f32>(target);
    sum += difference * difference;
    x += BLOCK;
  }
  return sum;
}

/**
 * Class probabilities, softmax(z).
 * @param z f32 [classes][LANES], logits
 * @param out f32 [classes][LANES], written
 */
export function probabilities(z: usize, classes: i32, out: usize): void {
  for (let at: usize = 0; at < BLOCK; at += 16) {
    let max = v128.load(z + at);
    for (let k: i32 = 1; k < classes; ++k) max = f32x4.max(max, v128.load(z + at + <usize>k * BLOCK));
    let sum = f32x4.splat(0);
    for (let k: i32 = 0; k < classes; ++k) {
      const e = expNonPositive(f32x4.sub(v128.load(z + at + <usize>k * BLOCK), max));
      v128.store(out + at + <usize>k * BLOCK, e);
      sum = f32x4.add(sum, e);
    }
    for (let k: i32 = 0; k < classes; ++k) {
      const p = out + at + <usize>k * BLOCK;
      v128.store(p, f32x4.div(v128.load(p), sum));
    }
  }
}
