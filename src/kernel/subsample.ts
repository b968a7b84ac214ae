import { BLOCK, TINY, flushTiny } from './math';

/**
 * Conv, then the sum of each 2x2 window, equals the input's 2x2 box sums convolved at stride 2; so a subsampling layer's
 * coefficient and bias fold into the conv before it: W' = cW, b' = 4 c b + b_s.
 * @param starts i32 [maps + 1], first kernel of each output map
 * @param taps weights of one kernel
 * @param folded f32, as the weights; then foldedBias f32 [maps]
 */
export function foldSubsample(
  weight: usize, bias: usize, coefficient: usize, subsampleBias: usize,
  starts: usize, taps: i32, maps: i32, folded: usize, foldedBias: usize,
): void {
  for (let o: i32 = 0; o < maps; ++o) {
    const at = <usize>o << 2;
    const c = load<f32>(coefficient + at);
    const begin = load<i32>(starts + at) * taps;
    const end = load<i32>(starts + at, 4) * taps;
    for (let k = begin; k < end; ++k) store<f32>(folded + (<usize>k << 2), c * load<f32>(weight + (<usize>k << 2)));
    store<f32>(foldedBias + at, 4 * c * load<f32>(bias + at) + load<f32>(subsampleBias + at));
  }
}

/**
 * The gradients of the unfolded parameters from G = dL/dW' and D = dL/db': dW = cG, db = 4cD, dc = sum(W G) + 4bD, db_s = D.
 * Adds to the targets if `accumulate`, else writes them.
 */
export function unfoldGradient(
  weight: usize, bias: usize, coefficient: usize, starts: usize, taps: i32, maps: i32,
  foldedGradient: usize, foldedBiasGradient: usize,
  weightGradient: usize, biasGradient: usize, coefficientGradient: usize, subsampleBiasGradient: usize,
  accumulate: bool,
): void {
  for (let o: i32 = 0; o < maps; ++o) {
    const at = <usize>o << 2;
    const c = load<f32>(coefficient + at);
    const d = load<f32>(foldedBiasGradient + at);
    const begin = load<i32>(starts + at) * taps;
    const end = load<i32>(starts + at, 4) * taps;
    let dc: f32 = 0;
    for (let k = begin; k < end; ++k) {
      const tap = <usize>k << 2;
      const g = load<f32>(foldedGradient + tap);
      dc += g * load<f32>(weight + tap);
      put(weightGradient + tap, c * g, accumulate);
    }
    put(biasGradient + at, 4 * c * d, accumulate);
    put(coefficientGradient + at, dc + 4 * load<f32>(bias + at) * d, accumulate);
    put(subsampleBiasGradient + at, d, accumulate);
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
export function put(target: usize, value: f32, accumulate: bool): void {
  store<f32>(target, accumulate ? load<f32>(target) + value : value);
}

/** 2x2 box sums: [maps][height][width][LANES] to [maps][height - 1][width - 1][LANES]. */
export function boxSum(x: usize, maps: i32, height: i32, width: i32, out: usize): void {
  const row = <usize>width * BLOCK;
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 1; y < height; ++y) {
      const end = x + row - BLOCK;
      while (x < end) {
        const below = x + row;
        v128.store(out, f32x4.add(f32x4.add(v128.load(x), v128.load(x, BLOCK)), f32x4.add(v128.load(below), v128.load(below, BLOCK))));
        v128.store(out, f32x4.add(f32x4.add(v128.load(x, 16), v128.load(x, BLOCK + 16)), f32x4.add(v128.load(below, 16), v128.load(below, BLOCK + 16))), 16);
        x += BLOCK;
        out += BLOCK;
      }
      x += BLOCK;
    }
    x += row;
  }
}

/**
 * The deltas of a ReLU layer from those of its box sums: each activation entered up to four windows.
 * @param d f32 [maps][height + 1][width + 1][LANES], the box sums' deltas inside a border of zeros
 * @param x f32 [maps][height][width][LANES], the activations; if they are <= 0 the delta is 0
 * @param out f32, as x
 */
export function boxSumBackward(d: usize, x: usize, maps: i32, height: i32, width: i32, out: usize): void {
  const row = <usize>(width + 1) * BLOCK;
  const zero = f32x4.splat(0);
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      const end = d + row - BLOCK;
      while (d < end) {
        const below = d + row;
        const a = f32x4.add(f32x4.add(v128.load(d), v128.load(d, BLOCK)), f32x4.add(v128.load(below), v128.load(below, BLOCK)));
        const b = f32x4.add(f32x4.add(v128.load(d, 16), v128.load(d, BLOCK + 16)), f32x4.add(v128.load(below, 16), v128.load(below, BLOCK + 16)));
        v128.store(out, flushTiny(v128.andnot(a, f32x4.le(v128.load(x), zero)), TINY));
        v128.store(out, flushTiny(v128.andnot(b, f32x4.le(v128.load(x, 16), zero)), TINY), 16);
        d += BLOCK;
        x += BLOCK;
        out += BLOCK;
      }
      d += BLOCK;
    }
    d += row;
  }
}
