/** What batch and group norm share: y = (x - mean) (invstd weight) + bias, position by position. */
import { laneMask } from '../lanes';
import { MapStack } from '../map-stack';
import { BLOCK } from '../math';

/**
 * One map, each lane with its own mean and factor.
 * @param factorLow, factorHigh invstd weight of the lanes
 * @param count lanes from here on become 0
 */
export function normalizeMap(
  x: MapStack, out: MapStack, map: i32, height: i32, width: i32, count: i32,
  meanLow: v128, meanHigh: v128, factorLow: v128, factorHigh: v128, bias: v128,
): void {
  const realLow = laneMask(0, count), realHigh = laneMask(4, count);
  for (let y: i32 = 0; y < height; ++y) {
    let p = x.at(map, y), to = out.at(map, y);
    for (const end = p + <usize>width * BLOCK; p < end; p += BLOCK, to += BLOCK) {
      const low = f32x4.add(f32x4.mul(f32x4.sub(v128.load(p), meanLow), factorLow), bias);
      const high = f32x4.add(f32x4.mul(f32x4.sub(v128.load(p, 16), meanHigh), factorHigh), bias);
      v128.store(to, v128.and(low, realLow));
      v128.store(to, v128.and(high, realHigh), 16);
    }
  }
}
