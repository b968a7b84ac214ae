/**
 * Convolution at stride 2 over 2x2 box sums: what conv-then-subsample reduces to (docs/kernel.md). Its gradients are in
 * gradient.ts.
 * Maps are [map][y][x][LANES].
 */
import { BLOCK } from '../math';
import { STRIDE, forwardTile1, forwardTile4, forwardTile5 } from './tiles';

/**
 * out = relu(bias + the kernels of one output map over their input maps).
 * @param x f32, box sums; a map is `plane` bytes, a row `row` bytes
 * @param starts i32 [maps + 1], first kernel of each output map
 * @param inputs i32 [kernels], the input map of each
 * @param w f32 [kernels][size][size]
 * @param out f32 [maps][height][width][LANES]
 */
export function convForward(
  x: usize, plane: usize, row: usize, starts: usize, inputs: usize, w: usize, bias: usize,
  size: i32, maps: i32, height: i32, width: i32, out: usize,
): void {
  for (let o: i32 = 0; o < maps; ++o) {
    const begin = load<i32>(starts + (<usize>o << 2));
    const end = load<i32>(starts + (<usize>o << 2), 4);
    const b = v128.load32_splat(bias + (<usize>o << 2));
    for (let y: i32 = 0; y < height; ++y) {
      let from = x + <usize>(2 * y) * row;
      let left = width;
      while (left >= 5) {
        forwardTile5(from, plane, row, begin, end, inputs, w, b, size, out);
        from += 5 * STRIDE;
        out += 5 * BLOCK;
        left -= 5;
      }
      if (left == 4) {
        forwardTile4(from, plane, row, begin, end, inputs, w, b, size, out);
        out += 4 * BLOCK;
        left = 0;
      }
      while (left > 0) {
        forwardTile1(from, plane, row, begin, end, inputs, w, b, size, out);
        from += STRIDE;
        out += BLOCK;
        --left;
      }
    }
  }
}
