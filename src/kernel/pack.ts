import { PACKED_MAPS } from './convolution/forward';

/**
 * Weights as `conv` reads them: out[pair][tap][m] is the weight of tap `tap` of map 2 pair + m, or 0 behind the last map.
 * @param base f32; `stride` and the taps count its bytes
 * @param stride from a map's weights to those of the next map
 * @param offsets i32 [taps], from a map's first weight to that of each tap
 * @param out f32 [maps / 2, rounded up][taps][2], written
 */
export function packWeights(base: usize, maps: i32, taps: i32, stride: usize, offsets: usize, out: usize): void {
  const end = offsets + (<usize>taps << 2);
  for (let first: i32 = 0; first < maps; first += PACKED_MAPS) {
    for (let tap = offsets; tap < end; tap += 4) {
      for (let map = first; map < first + PACKED_MAPS; ++map, out += 4) {
        const place = base + <usize>map * stride + <usize>load<i32>(tap);
        store<f32>(out, map < maps ? load<f32>(place) : 0);
      }
    }
  }
}
