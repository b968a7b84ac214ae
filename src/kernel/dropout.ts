/** Dropout by Philox4x32-10 (see src/shared/util/philox.ts): which values fall is a pure function of key, layer, sample and place. */
import { MapStack } from './map-stack';
import { BLOCK } from './math';

const ROUNDS: i32 = 10;
const MULTIPLIER_0: i32 = 0xd2511f53;
const MULTIPLIER_1: i32 = 0xcd9e8d57;
const WEYL_0: i32 = 0x9e3779b9;
const WEYL_1: i32 = 0xbb67ae85;

/** The purpose of a layer's stream: 4 + 256 times its place in the spec. */
const PURPOSE: i32 = 4;

/**
 * out = x scale, or 0 if word (map height + y) width + x of the sample's stream is below `threshold`; `out` may be `x`.
 * @param place the layer's place in the spec, from 0
 * @param mask bytes [maps][height][width], written for the backward pass: bit s is set if lane s is kept
 * @param positions u32 [LANES][2], the samples' positions in the stream of samples: low word, high word
 * @param key u32 [2]
 */
export function dropout(
  x: MapStack, out: MapStack, maps: i32, height: i32, width: i32, place: i32, threshold: i32, scale: f32,
  mask: usize, positions: usize, key: usize,
): void {
  drawMask(maps * height * width, PURPOSE + 256 * place, threshold, mask, positions, key);
  dropoutBackward(x, out, maps, height, width, scale, mask);
}

/** dx = dy scale if kept, else 0; `dx` may be `dy`. The scale is at least 1, so nothing becomes denormal. */
export function dropoutBackward(
  dy: MapStack, dx: MapStack, maps: i32, height: i32, width: i32, scale: f32, mask: usize,
): void {
  for (let m: i32 = 0; m < maps; ++m) {
    for (let y: i32 = 0; y < height; ++y) {
      keepRow(dy.at(m, y), dx.at(m, y), width, scale, mask);
      mask += <usize>width;
    }
  }
}

function keepRow(x: usize, out: usize, width: i32, scale: f32, mask: usize): void {
  const scales = f32x4.splat(scale), low = i32x4(1, 2, 4, 8), high = i32x4(16, 32, 64, 128);
  for (const end = x + <usize>width * BLOCK; x < end; x += BLOCK, out += BLOCK, ++mask) {
    const kept = i32x4.splat(<i32>load<u8>(mask));
    v128.store(out, v128.and(f32x4.mul(v128.load(x), scales), i32x4.eq(v128.and(kept, low), low)));
    v128.store(out, v128.and(f32x4.mul(v128.load(x, 16), scales), i32x4.eq(v128.and(kept, high), high)), 16);
  }
}

/** Draws four words of every sample at a time: one Philox block. */
function drawMask(words: i32, purpose: i32, threshold: i32, mask: usize, positions: usize, key: usize): void {
  for (let block: i32 = 0; block << 2 < words; ++block) {
    const low = droppedLanes(block, purpose, threshold, positions, key);
    const high = droppedLanes(block, purpose, threshold, positions + BLOCK, key);
    let kept = ~(low | (high << 4));
    const end = min(4, words - (block << 2));
    for (let word: i32 = 0; word < end; ++word) {
      store<u8>(mask, kept);
      kept >>>= 8;
      ++mask;
    }
  }
}

/** Byte w: the bits of the four lanes whose word w of a block is below the threshold. */
function droppedLanes(block: i32, purpose: i32, threshold: i32, positions: usize, key: usize): i32 {
  const first = v128.load(positions), second = v128.load(positions, 16);
  let c0 = i32x4.splat(block);
  let c1 = v128.shuffle<i32>(first, second, 0, 2, 4, 6);
  let c2 = v128.shuffle<i32>(first, second, 1, 3, 5, 7);
  let c3 = i32x4.splat(purpose);
  let k0 = load<i32>(key), k1 = load<i32>(key, 4);
  for (let round: i32 = 0; round < ROUNDS; ++round) {
    const m0 = i32x4.splat(MULTIPLIER_0), m1 = i32x4.splat(MULTIPLIER_1);
    const a = i64x2.extmul_low_i32x4_u(c0, m0), b = i64x2.extmul_high_i32x4_u(c0, m0);
    const c = i64x2.extmul_low_i32x4_u(c2, m1), d = i64x2.extmul_high_i32x4_u(c2, m1);
    c0 = v128.xor(v128.xor(v128.shuffle<i32>(c, d, 1, 3, 5, 7), c1), i32x4.splat(k0));
    c1 = v128.shuffle<i32>(c, d, 0, 2, 4, 6);
    c2 = v128.xor(v128.xor(v128.shuffle<i32>(a, b, 1, 3, 5, 7), c3), i32x4.splat(k1));
    c3 = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  const limit = i32x4.splat(threshold);
  return i32x4.bitmask(i32x4.lt_u(c0, limit)) | (i32x4.bitmask(i32x4.lt_u(c1, limit)) << 8) |
    (i32x4.bitmask(i32x4.lt_u(c2, limit)) << 16) | (i32x4.bitmask(i32x4.lt_u(c3, limit)) << 24);
}
