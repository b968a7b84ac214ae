/**
 * Max pooling. The first of equal values wins (-0 and 0 are equal), in order of rows, then columns; the first NaN wins over
 * all numbers, so that a diverged run is noticed. Every window has a real position.
 */
import { MapStack } from '../map-stack';
import { BLOCK } from '../math';
import { clearMaps } from '../elementwise';
import { windowBegin, windowEnd } from './window';

/** Sizes, strides and paddings in rows and columns; top and left are the padding's. */
export function maxPool(
  x: MapStack, out: MapStack, maps: i32, inputHeight: i32, inputWidth: i32, height: i32, width: i32,
  sizeY: i32, sizeX: i32, strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      const from = x.at(m, windowBegin(y, strideY, top));
      const rows = windowEnd(y, strideY, top, sizeY, inputHeight) - windowBegin(y, strideY, top);
      maxPoolRow(from, x.row, rows, inputWidth, out.at(m, y), width, sizeX, strideX, left);
    }
  }
}

/** One row of outputs, from `rows` rows of inputs. */
function maxPoolRow(
  x: usize, row: usize, rows: i32, inputWidth: i32, out: usize, width: i32, size: i32, stride: i32, left: i32,
): void {
  for (let place: i32 = 0; place < width; ++place) {
    const begin = windowBegin(place, stride, left);
    const columns = <usize>(windowEnd(place, stride, left, size, inputWidth) - begin) * BLOCK;
    const first = x + <usize>begin * BLOCK;
    let low = v128.load(first), high = v128.load(first, 16);
    for (let y: i32 = 0; y < rows; ++y) {
      let p = first + <usize>y * row;
      for (const end = p + columns; p < end; p += BLOCK) {
        const u = v128.load(p), v = v128.load(p, 16);
        low = v128.bitselect(u, low, wins(u, low));
        high = v128.bitselect(v, high, wins(v, high));
      }
    }
    v128.store(out, low);
    v128.store(out, high, 16);
    out += BLOCK;
  }
}

/** Whether `x` takes the place of the best value before it. */
// @ts-ignore: AssemblyScript decorator
@inline
function wins(x: v128, best: v128): v128 {
  return v128.andnot(f32x4.eq(best, best), f32x4.le(x, best));
}

/**
 * dx = the sum of the deltas of the windows that each position won, added in order of the windows (row, column).
 * @param x as in `maxPool`, dy as its output
 * @param dx as x; cleared first, so it is neither x nor dy
 */
export function maxPoolBackward(
  x: MapStack, dy: MapStack, dx: MapStack, maps: i32, inputHeight: i32, inputWidth: i32, height: i32, width: i32,
  sizeY: i32, sizeX: i32, strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  clearMaps(dx, maps, inputHeight, inputWidth);
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      const begin = windowBegin(y, strideY, top);
      const rows = windowEnd(y, strideY, top, sizeY, inputHeight) - begin;
      maxPoolRowBackward(
        x.at(m, begin), x.row, rows, inputWidth, dy.at(m, y), dx.at(m, begin), dx.row, width, sizeX, strideX, left,
      );
    }
  }
}

function maxPoolRowBackward(
  x: usize, row: usize, rows: i32, inputWidth: i32, dy: usize, dx: usize, dxRow: usize,
  width: i32, size: i32, stride: i32, left: i32,
): void {
  for (let place: i32 = 0; place < width; ++place) {
    const begin = windowBegin(place, stride, left);
    const columns = windowEnd(place, stride, left, size, inputWidth) - begin;
    const at = <usize>begin * BLOCK;
    giveToWinner(x + at, row, rows, columns, v128.load(dy), dx + at, dxRow);
    giveToWinner(x + at + 16, row, rows, columns, v128.load(dy, 16), dx + at + 16, dxRow);
    dy += BLOCK;
  }
}

/** Four lanes of one window: the winner's place is found as the forward pass found its value. */
function giveToWinner(x: usize, row: usize, rows: i32, columns: i32, dy: v128, dx: usize, dxRow: usize): void {
  let best = v128.load(x);
  let winner = i32x4.splat(0);
  for (let y: i32 = 0; y < rows; ++y) {
    for (let column: i32 = 0; column < columns; ++column) {
      const u = v128.load(x + <usize>y * row + <usize>column * BLOCK);
      const better = wins(u, best);
      best = v128.bitselect(u, best, better);
      winner = v128.bitselect(i32x4.splat(y * columns + column), winner, better);
    }
  }
  for (let y: i32 = 0; y < rows; ++y) {
    for (let column: i32 = 0; column < columns; ++column) {
      const p = dx + <usize>y * dxRow + <usize>column * BLOCK;
      // Others add 0, which changes no bit: no sum here is -0.
      const share = v128.and(dy, i32x4.eq(winner, i32x4.splat(y * columns + column)));
      v128.store(p, f32x4.add(v128.load(p), share));
    }
  }
}
