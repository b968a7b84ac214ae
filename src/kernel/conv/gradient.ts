/** The gradients of a convolution: of its weights and biases, and of the box sums that it reads. */
import { horizontalSum } from '../lanes';
import { BLOCK } from '../math';
import { put } from '../subsample';
import { STRIDE } from './tiles';

/**
 * The folded kernels' gradients, G = sum over positions and lanes of delta times box sum, and the biases', D.
 * @param d f32 [maps][height][width][LANES], deltas (masked by the ReLU)
 * @param gradient f32 [kernels][size][size], written; biasGradient f32 [maps], written
 */
export function convWeightGradient(
  x: usize, plane: usize, row: usize, starts: usize, inputs: usize, d: usize,
  size: i32, maps: i32, height: i32, width: i32, gradient: usize, biasGradient: usize,
): void {
  const deltaPlane = <usize>(height * width) * BLOCK;
  for (let o: i32 = 0; o < maps; ++o) {
    const begin = load<i32>(starts + (<usize>o << 2));
    const end = load<i32>(starts + (<usize>o << 2), 4);
    for (let k = begin; k < end; ++k) {
      const from = x + <usize>load<i32>(inputs + (<usize>k << 2)) * plane;
      for (let ky: i32 = 0; ky < size; ++ky) {
        let p = from + <usize>ky * row;
        let left = size;
        while (left >= 5) {
          gradientTile5(p, row, d, height, width, gradient);
          gradient += 5 * 4;
          p += 5 * BLOCK;
          left -= 5;
        }
        while (left > 0) {
          gradientTile1(p, row, d, height, width, gradient);
          gradient += 4;
          p += BLOCK;
          --left;
        }
      }
    }
    sumLanes(d, height * width, biasGradient + (<usize>o << 2));
    d += deltaPlane;
  }
}

function gradientTile5(x: usize, row: usize, d: usize, height: i32, width: i32, gradient: usize): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero, a4 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero, b4 = zero;
  const run = <usize>width * BLOCK;
  for (let y: i32 = 0; y < height; ++y) {
    let p = x;
    const stop = d + run;
    do {
      const s = v128.load(d);
      const t = v128.load(d, 16);
      a0 = f32x4.add(a0, f32x4.mul(s, v128.load(p)));
      b0 = f32x4.add(b0, f32x4.mul(t, v128.load(p, 16)));
      a1 = f32x4.add(a1, f32x4.mul(s, v128.load(p, BLOCK)));
      b1 = f32x4.add(b1, f32x4.mul(t, v128.load(p, BLOCK + 16)));
      a2 = f32x4.add(a2, f32x4.mul(s, v128.load(p, 2 * BLOCK)));
      b2 = f32x4.add(b2, f32x4.mul(t, v128.load(p, 2 * BLOCK + 16)));
      a3 = f32x4.add(a3, f32x4.mul(s, v128.load(p, 3 * BLOCK)));
      b3 = f32x4.add(b3, f32x4.mul(t, v128.load(p, 3 * BLOCK + 16)));
      a4 = f32x4.add(a4, f32x4.mul(s, v128.load(p, 4 * BLOCK)));
      b4 = f32x4.add(b4, f32x4.mul(t, v128.load(p, 4 * BLOCK + 16)));
      d += BLOCK;
      p += STRIDE;
    } while (d < stop);
    x += 2 * row;
  }
  store<f32>(gradient, horizontalSum(f32x4.add(a0, b0)));
  store<f32>(gradient, horizontalSum(f32x4.add(a1, b1)), 4);
  store<f32>(gradient, horizontalSum(f32x4.add(a2, b2)), 8);
  store<f32>(gradient, horizontalSum(f32x4.add(a3, b3)), 12);
  store<f32>(gradient, horizontalSum(f32x4.add(a4, b4)), 16);
}

function gradientTile1(x: usize, row: usize, d: usize, height: i32, width: i32, gradient: usize): void {
  let a = f32x4.splat(0), b = f32x4.splat(0);
  const run = <usize>width * BLOCK;
  for (let y: i32 = 0; y < height; ++y) {
    let p = x;
    const stop = d + run;
    do {
      a = f32x4.add(a, f32x4.mul(v128.load(d), v128.load(p)));
      b = f32x4.add(b, f32x4.mul(v128.load(d, 16), v128.load(p, 16)));
      d += BLOCK;
      p += STRIDE;
    } while (d < stop);
    x += 2 * row;
  }
  store<f32>(gradient, horizontalSum(f32x4.add(a, b)));
}

/** Writes the sum over [count][LANES]. */
function sumLanes(x: usize, count: i32, target: usize): void {
  let a = f32x4.splat(0), b = f32x4.splat(0);
  const end = x + <usize>count * BLOCK;
  for (; x < end; x += BLOCK) {
    a = f32x4.add(a, v128.load(x));
    b = f32x4.add(b, v128.load(x, 16));
  }
  put(target, horizontalSum(f32x4.add(a, b)), false);
}

/**
 * The deltas of the box sums. Each tap of each output position sums over the output maps that read its input map, then
 * adds to the box sum that it read.
 * @param feeds i32, per kernel sorted by (input map, output map): {byte offset of its weights, byte offset of its map in d}
 * @param feedStarts i32 [inputMaps + 1], first of `feeds` of each input map
 * @param d f32 [maps][height][width][LANES], the outputs' deltas
 * @param out f32, box sums of `plane` bytes a map and `row` bytes a row, zeroed before
 */
export function convInputGradient(
  d: usize, w: usize, feeds: usize, feedStarts: usize, size: i32, inputMaps: i32, height: i32, width: i32,
  out: usize, plane: usize, row: usize,
): void {
  for (let i: i32 = 0; i < inputMaps; ++i) {
    const begin = feeds + (<usize>load<i32>(feedStarts + (<usize>i << 2)) << 3);
    const end = feeds + (<usize>load<i32>(feedStarts + (<usize>i << 2), 4) << 3);
    for (let y: i32 = 0; y < height; ++y) {
      for (let x: i32 = 0; x < width; ++x) {
        const delta = d + <usize>(y * width + x) * BLOCK;
        for (let ky: i32 = 0; ky < size; ++ky) {
          let p = out + <usize>(2 * y + ky) * row + <usize>x * STRIDE;
          let tap = w + (<usize>(ky * size) << 2);
          let left = size;
          while (left >= 5) {
            inputTile5(delta, tap, begin, end, p);
            p += 5 * BLOCK;
            tap += 5 * 4;
            left -= 5;
          }
          while (left > 0) {
            inputTile1(delta, tap, begin, end, p);
            p += BLOCK;
            tap += 4;
            --left;
          }
        }
      }
    }
    out += plane;
  }
}

function inputTile5(d: usize, w: usize, feed: usize, end: usize, out: usize): void {
  let a0 = v128.load(out), b0 = v128.load(out, 16);
  let a1 = v128.load(out, BLOCK), b1 = v128.load(out, BLOCK + 16);
  let a2 = v128.load(out, 2 * BLOCK), b2 = v128.load(out, 2 * BLOCK + 16);
  let a3 = v128.load(out, 3 * BLOCK), b3 = v128.load(out, 3 * BLOCK + 16);
  let a4 = v128.load(out, 4 * BLOCK), b4 = v128.load(out, 4 * BLOCK + 16);
  for (; feed < end; feed += 8) {
    const tap = w + <usize>load<i32>(feed);
    const delta = d + <usize>load<i32>(feed, 4);
    const x = v128.load(delta);
    const z = v128.load(delta, 16);
    let s = v128.load32_splat(tap);
    a0 = f32x4.add(a0, f32x4.mul(s, x));
    b0 = f32x4.add(b0, f32x4.mul(s, z));
    s = v128.load32_splat(tap, 4);
    a1 = f32x4.add(a1, f32x4.mul(s, x));
    b1 = f32x4.add(b1, f32x4.mul(s, z));
    s = v128.load32_splat(tap, 8);
    a2 = f32x4.add(a2, f32x4.mul(s, x));
    b2 = f32x4.add(b2, f32x4.mul(s, z));
    s = v128.load32_splat(tap, 12);
    a3 = f32x4.add(a3, f32x4.mul(s, x));
    b3 = f32x4.add(b3, f32x4.mul(s, z));
    s = v128.load32_splat(tap, 16);
    a4 = f32x4.add(a4, f32x4.mul(s, x));
    b4 = f32x4.add(b4, f32x4.mul(s, z));
  }
  v128.store(out, a0);
  v128.store(out, b0, 16);
  v128.store(out, a1, BLOCK);
  v128.store(out, b1, BLOCK + 16);
  v128.store(out, a2, 2 * BLOCK);
  v128.store(out, b2, 2 * BLOCK + 16);
  v128.store(out, a3, 3 * BLOCK);
  v128.store(out, b3, 3 * BLOCK + 16);
  v128.store(out, a4, 4 * BLOCK);
  v128.store(out, b4, 4 * BLOCK + 16);
}

function inputTile1(d: usize, w: usize, feed: usize, end: usize, out: usize): void {
  let a = v128.load(out), b = v128.load(out, 16);
  for (; feed < end; feed += 8) {
    const s = v128.load32_splat(w + <usize>load<i32>(feed));
    const delta = d + <usize>load<i32>(feed, 4);
    a = f32x4.add(a, f32x4.mul(s, v128.load(delta)));
    b = f32x4.add(b, f32x4.mul(s, v128.load(delta, 16)));
  }
  v128.store(out, a);
  v128.store(out, b, 16);
}
