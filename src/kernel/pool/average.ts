/** Average pooling over the real positions of a window, of which there is at least one; what lies in the padding isn't counted. */
import { clearMaps } from '../elementwise';
import { MapStack } from '../map-stack';
import { BLOCK, TINY, flushTiny } from '../math';
import { windowBegin, windowEnd } from './window';

/** The sum of the sums of rows, each in order from 0 on, times float32(1 / count). Arguments as in `maxPool`. */
export function averagePool(
  x: MapStack, out: MapStack, maps: i32, inputHeight: i32, inputWidth: i32, height: i32, width: i32,
  sizeY: i32, sizeX: i32, strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      const begin = windowBegin(y, strideY, top);
      const rows = windowEnd(y, strideY, top, sizeY, inputHeight) - begin;
      averagePoolRow(x.at(m, begin), x.row, rows, inputWidth, out.at(m, y), width, sizeX, strideX, left);
    }
  }
}

function averagePoolRow(
  x: usize, row: usize, rows: i32, inputWidth: i32, out: usize, width: i32, size: i32, stride: i32, left: i32,
): void {
  for (let place: i32 = 0; place < width; ++place) {
    const begin = windowBegin(place, stride, left);
    const columns = windowEnd(place, stride, left, size, inputWidth) - begin;
    let low = f32x4.splat(0), high = f32x4.splat(0);
    for (let y: i32 = 0; y < rows; ++y) {
      // Sums of rows: one after the other, a whole map's values would lose digits.
      let rowLow = f32x4.splat(0), rowHigh = f32x4.splat(0);
      let p = x + <usize>y * row + <usize>begin * BLOCK;
      for (const end = p + <usize>columns * BLOCK; p < end; p += BLOCK) {
        rowLow = f32x4.add(rowLow, v128.load(p));
        rowHigh = f32x4.add(rowHigh, v128.load(p, 16));
      }
      low = f32x4.add(low, rowLow);
      high = f32x4.add(high, rowHigh);
    }
    const share = f32x4.splat(1 / <f32>(rows * columns));
    v128.store(out, f32x4.mul(low, share));
    v128.store(out, f32x4.mul(high, share), 16);
    out += BLOCK;
  }
}

/**
 * dx = the sum of flushed dy float32(1 / count) of the windows around each position, added in order of the windows.
 * @param dx cleared first, so it isn't dy
 */
export function averagePoolBackward(
  dy: MapStack, dx: MapStack, maps: i32, inputHeight: i32, inputWidth: i32, height: i32, width: i32,
  sizeY: i32, sizeX: i32, strideY: i32, strideX: i32, top: i32, left: i32,
): void {
  clearMaps(dx, maps, inputHeight, inputWidth);
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      const begin = windowBegin(y, strideY, top);
      const rows = windowEnd(y, strideY, top, sizeY, inputHeight) - begin;
      averagePoolRowBackward(dy.at(m, y), dx.at(m, begin), dx.row, rows, inputWidth, width, sizeX, strideX, left);
    }
  }
}

function averagePoolRowBackward(
  dy: usize, dx: usize, row: usize, rows: i32, inputWidth: i32, width: i32, size: i32, stride: i32, left: i32,
): void {
  for (let place: i32 = 0; place < width; ++place) {
    const begin = windowBegin(place, stride, left);
    const columns = windowEnd(place, stride, left, size, inputWidth) - begin;
    const share = f32x4.splat(1 / <f32>(rows * columns));
    const low = flushTiny(f32x4.mul(v128.load(dy), share), TINY);
    const high = flushTiny(f32x4.mul(v128.load(dy, 16), share), TINY);
    for (let y: i32 = 0; y < rows; ++y) {
      let p = dx + <usize>y * row + <usize>begin * BLOCK;
      for (const end = p + <usize>columns * BLOCK; p < end; p += BLOCK) {
        v128.store(p, f32x4.add(v128.load(p), low));
        v128.store(p, f32x4.add(v128.load(p, 16), high), 16);
      }
    }
    dy += BLOCK;
  }
}
