/** The gradients of a dense layer's weights and biases, over all shards of a call in one pass. */
import { BLOCK, LANES } from '../math';

/** Features that lie side by side for one sample, in the layout that `transpose` makes: [panel][sample][PANEL] a block. */
const PANEL: i32 = 16;
/** Bytes from a sample to the next one. */
const ROW: usize = 4 * 16;

/** Where a feature of a block's first sample lies. */
// @ts-ignore: AssemblyScript decorator
@inline
function panelOffset(feature: i32): usize {
  return <usize>(feature / PANEL) * (<usize>LANES * ROW) + (<usize>(feature % PANEL) << 2);
}

/**
 * x [features][LANES] to out [features / PANEL, rounded up][LANES][PANEL]: weight gradients then need no horizontal sums, and
 * their tiles no address but two. The places behind the last feature keep what they hold.
 */
export function transpose(x: usize, features: i32, out: usize): void {
  let k: i32 = 0;
  for (; k + 4 <= features; k += 4, x += 4 * BLOCK) {
    const to = out + panelOffset(k);
    transposeQuad(x, to);
    transposeQuad(x + 16, to + 4 * ROW);
  }
  for (; k < features; ++k, x += BLOCK) {
    const to = out + panelOffset(k);
    for (let s: usize = 0; s < <usize>LANES; ++s) store<f32>(to + s * ROW, load<f32>(x + (s << 2)));
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function transposeQuad(x: usize, out: usize): void {
  const a = v128.load(x), b = v128.load(x, BLOCK), c = v128.load(x, 2 * BLOCK), d = v128.load(x, 3 * BLOCK);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(out, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7), ROW);
  v128.store(out, v128.shuffle<f32>(ab2, cd2, 0, 1, 4, 5), 2 * ROW);
  v128.store(out, v128.shuffle<f32>(ab2, cd2, 2, 3, 6, 7), 3 * ROW);
}

/** Bytes that a tile keeps on the stack for each pending sum. */
const TILE: usize = 8 * 16;

/**
 * Weight and bias gradients of a whole node of the reduction tree in one pass over the weights. Each shard's sum runs over
 * its samples in order; the shards' sums are added as the tree has it, by a small stack of pending sums. So no shard's
 * gradient is written out and read back. Columns are the outer loop: then all operands stay in the first-level cache.
 * @param d f32 [shards][blocks] of deltas as `transpose` leaves them, blockD bytes each
 * @param x the layer's inputs likewise, blockX bytes each
 * @param gradient f32 [outputs][inputs], written; biasGradient f32 [outputs], written (0: no bias)
 * @param stack scratch, TILE bytes for each level of the tree and one more
 */
export function denseWeightGradient(
  d: usize, blockD: usize, x: usize, blockX: usize, shards: i32, blocks: i32, inputs: i32, outputs: i32,
  gradient: usize, biasGradient: usize, stack: usize,
): void {
  const row = <usize>inputs << 2;
  for (let i: i32 = 0; i < inputs; i += PANEL) {
    const columns = x + panelOffset(i);
    const target = gradient + (<usize>i << 2);
    for (let o: i32 = 0; o < outputs; o += 2) {
      gradientTile(
        d + panelOffset(o), blockD, columns, blockX, shards, blocks,
        target + <usize>o * row, row, min(PANEL, inputs - i), o + 1 < outputs, stack,
      );
    }
  }
  if (biasGradient == 0) return;
  for (let o: i32 = 0; o < outputs; o += 4) {
    biasTile(d + panelOffset(o), blockD, shards, blocks, stack);
    memory.copy(biasGradient + (<usize>o << 2), stack, <usize>min(4, outputs - o) << 2);
  }
}

/** How many pending sums are added to a shard's own before that is put on the stack: after the last shard, all of them. */
// @ts-ignore: AssemblyScript decorator
@inline
function pendingAdds(shard: i32, shards: i32): i32 {
  return shard + 1 == shards ? popcnt(shard) : ctz(~shard);
}

/** Two outputs by sixteen inputs, of which `columns` and, if not `both`, one output are real. */
function gradientTile(
  d: usize, blockD: usize, x: usize, blockX: usize, shards: i32, blocks: i32,
  gradient: usize, row: usize, columns: i32, both: bool, stack: usize,
): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
  let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  let top = stack;
  for (let shard: i32 = 1; ; ++shard) {
    for (let block: i32 = 0; block < blocks; ++block) {
      let p = x, q = d;
      const end = p + <usize>LANES * ROW;
      do {
        const s = v128.load32_splat(q);
        const t = v128.load32_splat(q, 4);
        let u = v128.load(p);
        a0 = f32x4.add(a0, f32x4.mul(s, u));
        b0 = f32x4.add(b0, f32x4.mul(t, u));
        u = v128.load(p, 16);
        a1 = f32x4.add(a1, f32x4.mul(s, u));
        b1 = f32x4.add(b1, f32x4.mul(t, u));
        u = v128.load(p, 32);
        a2 = f32x4.add(a2, f32x4.mul(s, u));
        b2 = f32x4.add(b2, f32x4.mul(t, u));
        u = v128.load(p, 48);
        a3 = f32x4.add(a3, f32x4.mul(s, u));
        b3 = f32x4.add(b3, f32x4.mul(t, u));
        p += ROW;
        q += ROW;
      } while (p < end);
      d += blockD;
      x += blockX;
    }
    for (let pending = pendingAdds(shard - 1, shards); pending > 0; --pending) {
      top -= TILE;
      a0 = f32x4.add(v128.load(top, 0), a0);
      a1 = f32x4.add(v128.load(top, 16), a1);
      a2 = f32x4.add(v128.load(top, 32), a2);
      a3 = f32x4.add(v128.load(top, 48), a3);
      b0 = f32x4.add(v128.load(top, 64), b0);
      b1 = f32x4.add(v128.load(top, 80), b1);
      b2 = f32x4.add(v128.load(top, 96), b2);
      b3 = f32x4.add(v128.load(top, 112), b3);
    }
    if (shard == shards) break;
    v128.store(top, a0, 0);
    v128.store(top, a1, 16);
    v128.store(top, a2, 32);
    v128.store(top, a3, 48);
    v128.store(top, b0, 64);
    v128.store(top, b1, 80);
    v128.store(top, b2, 96);
    v128.store(top, b3, 112);
    top += TILE;
    a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    b0 = zero, b1 = zero, b2 = zero, b3 = zero;
  }
  storeRow(a0, a1, a2, a3, gradient, columns, stack);
  if (both) storeRow(b0, b1, b2, b3, gradient + row, columns, stack);
}

/** Writes the first `columns` of sixteen floats. */
// @ts-ignore: AssemblyScript decorator
@inline
function storeRow(a: v128, b: v128, c: v128, d: v128, gradient: usize, columns: i32, scratch: usize): void {
  const target = columns < PANEL ? scratch : gradient;
  v128.store(target, a);
  v128.store(target, b, 16);
  v128.store(target, c, 32);
  v128.store(target, d, 48);
  if (columns < PANEL) memory.copy(gradient, scratch, <usize>columns << 2);
}

/** Four outputs' biases, left at the bottom of the stack. */
function biasTile(d: usize, blockD: usize, shards: i32, blocks: i32, stack: usize): void {
  let top = stack;
  for (let shard: i32 = 0; shard < shards; ++shard) {
    let a = f32x4.splat(0);
    for (let block: i32 = 0; block < blocks; ++block, d += blockD) {
      for (let q = d; q < d + <usize>LANES * ROW; q += ROW) a = f32x4.add(a, v128.load(q));
    }
    for (let pending = pendingAdds(shard, shards); pending > 0; --pending) {
      top -= 16;
      a = f32x4.add(v128.load(top), a);
    }
    v128.store(top, a);
    top += 16;
  }
}
