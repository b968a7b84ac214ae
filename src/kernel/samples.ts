/** Samples of any shape brought into lanes, shifted; what a shift brings in is 0, and so are empty lanes. */
import { MapStack } from './map-stack';
import { BLOCK, LANES } from './math';

/** A byte as a share of 255. */
const BYTE_SCALE: f32 = 1.0 / 255.0;

/**
 * @param samples bytes [sample][maps][height][width], scaled to 0..1
 * @param indices i32 [LANES], which samples
 * @param shifts i8 [LANES][2], rows down and columns right
 * @param count real samples, 1 to LANES
 */
export function decodeBytes(
  samples: usize, indices: usize, shifts: usize, count: i32, out: MapStack, maps: i32, height: i32, width: i32,
): void {
  decode(samples, indices, shifts, count, out, maps, height, width, 0);
}

/** The same from f32 samples, unscaled. */
export function decodeFloats(
  samples: usize, indices: usize, shifts: usize, count: i32, out: MapStack, maps: i32, height: i32, width: i32,
): void {
  decode(samples, indices, shifts, count, out, maps, height, width, 2);
}

/** Row by row; a value takes 1 << `log2Bytes` bytes. */
function decode(
  samples: usize, indices: usize, shifts: usize, count: i32, out: MapStack, maps: i32, height: i32, width: i32,
  log2Bytes: usize,
): void {
  const row = <usize>width << log2Bytes;
  const bytes = <usize>maps * <usize>height * row;
  for (let s: usize = 0; s < <usize>LANES; ++s) {
    const real = <i32>s < count;
    const down = real ? <i32>load<i8>(shifts + (s << 1)) : 0;
    const right = real ? <i32>load<i8>(shifts + (s << 1), 1) : 0;
    const sample = real ? samples + <usize>load<i32>(indices + (s << 2)) * bytes : 0;
    const begin = min(max(right, 0), width), end = max(min(width + right, width), begin);
    for (let m: i32 = 0; m < maps; ++m) {
      for (let y: i32 = 0; y < height; ++y) {
        const to = out.at(m, y) + (s << 2);
        const from = y - down;
        if (!real || from < 0 || from >= height) {
          clearLane(to, 0, width);
          continue;
        }
        clearLane(to, 0, begin);
        const source = sample + <usize>(m * height + from) * row - (<usize>right << log2Bytes);
        if (log2Bytes == 0) placeBytes(source, to, begin, end);
        else placeFloats(source, to, begin, end);
        clearLane(to, end, width);
      }
    }
  }
}

/** Columns `begin` to `end` of one lane. */
function clearLane(out: usize, begin: i32, end: i32): void {
  for (let x = begin; x < end; ++x) store<f32>(out + <usize>x * BLOCK, 0);
}

function placeBytes(source: usize, out: usize, begin: i32, end: i32): void {
  for (let x = begin; x < end; ++x) store<f32>(out + <usize>x * BLOCK, <f32>load<u8>(source + <usize>x) * BYTE_SCALE);
}

function placeFloats(source: usize, out: usize, begin: i32, end: i32): void {
  for (let x = begin; x < end; ++x) store<f32>(out + <usize>x * BLOCK, load<f32>(source + (<usize>x << 2)));
}
