/** The gradients of a dense layer's weights and biases, over all shards of a call in one pass. */
import { BLOCK, LANES } from '../math';

/** Bytes in a row of `features`, so that tiles of sixteen never read past it. */
// @ts-ignore: AssemblyScript decorator
@inline
function rowOf(features: i32): usize {
  return <usize>((features + 15) & ~15) << 2;
}

/** x [features][LANES] to out [LANES][features rounded up to 16], so that weight gradients need no horizontal sums. */
export function transpose(x: usize, features: i32, out: usize): void {
  const row = rowOf(features);
  let left = features;
  for (; left >= 4; left -= 4) {
    transposeQuad(x, row, out);
    transposeQuad(x + 16, row, out + 4 * row);
    x += 4 * BLOCK;
    out += 16;
  }
  for (; left > 0; --left) {
    for (let s: usize = 0; s < <usize>LANES; ++s) store<f32>(out + s * row, load<f32>(x + (s << 2)));
    x += BLOCK;
    out += 4;
  }
}

// @ts-ignore: AssemblyScript decorator
@inline
function transposeQuad(x: usize, row: usize, out: usize): void {
  const a = v128.load(x), b = v128.load(x, BLOCK), c = v128.load(x, 2 * BLOCK), d = v128.load(x, 3 * BLOCK);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(out + row, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
  v128.store(out + 2 * row, v128.shuffle<f32>(ab2, cd2, 0, 1, 4, 5));
  v128.store(out + 3 * row, v128.shuffle<f32>(ab2, cd2, 2, 3, 6, 7));
}

/** Bytes that a tile keeps on the stack for each pending sum. */
const TILE: usize = 8 * 16;

/**
 * Weight and bias gradients of a whole node of the reduction tree in one pass over the weights. Each shard's sum runs over
 * its samples in order; the shards' sums are added as the tree has it, by a small stack of pending sums. So no shard's
 * gradient is written out and read back. Columns are the outer loop: then all operands stay in the first-level cache.
 * @param d f32 [shards][samples][outputs rounded up to 16], deltas as `transpose` leaves them
 * @param x f32 [shards][samples][inputs rounded up to 16], the layer's inputs likewise
 * @param gradient f32 [outputs][inputs], written; biasGradient f32 [outputs], written
 * @param stack scratch, TILE bytes for each level of the tree and one more
 */
export function denseWeightGradient(
  d: usize, x: usize, shards: i32, samples: i32, inputs: i32, outputs: i32,
  gradient: usize, biasGradient: usize, stack: usize,
): void {
  const row = <usize>inputs << 2;
  for (let i: i32 = 0; i < inputs; i += 16) {
    const columns = x + (<usize>i << 2);
    let target = gradient + (<usize>i << 2);
    for (let o: i32 = 0; o < outputs; o += 2) {
      gradientTile(d + (<usize>o << 2), rowOf(outputs), columns, rowOf(inputs), shards, samples, stack);
      storeRow(stack, target, min(16, inputs - i));
      target += row;
      if (o + 1 < outputs) storeRow(stack + 64, target, min(16, inputs - i));
      target += row;
    }
  }
  for (let o: i32 = 0; o < outputs; o += 4) {
    const at = <usize>o << 2;
    biasTile(d + at, rowOf(outputs), shards, samples, stack);
    memory.copy(biasGradient + at, stack, <usize>min(4, outputs - o) << 2);
  }
}

/** How many pending sums are added to a shard's own before that is put on the stack: after the last shard, all of them. */
// @ts-ignore: AssemblyScript decorator
@inline
function pendingAdds(shard: i32, shards: i32): i32 {
  return shard + 1 == shards ? popcnt(shard) : ctz(~shard);
}

/** Two outputs by sixteen inputs, left at the bottom of the stack. */
function gradientTile(d: usize, rowD: usize, x: usize, rowX: usize, shards: i32, samples: i32, stack: usize): void {
  const zero = f32x4.splat(0);
  let top = stack;
  for (let shard: i32 = 0; shard < shards; ++shard) {
    let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
    let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
    const end = x + <usize>samples * rowX;
    do {
      const s = v128.load32_splat(d);
      const t = v128.load32_splat(d, 4);
      let u = v128.load(x);
      a0 = f32x4.add(a0, f32x4.mul(s, u));
      b0 = f32x4.add(b0, f32x4.mul(t, u));
      u = v128.load(x, 16);
      a1 = f32x4.add(a1, f32x4.mul(s, u));
      b1 = f32x4.add(b1, f32x4.mul(t, u));
      u = v128.load(x, 32);
      a2 = f32x4.add(a2, f32x4.mul(s, u));
      b2 = f32x4.add(b2, f32x4.mul(t, u));
      u = v128.load(x, 48);
      a3 = f32x4.add(a3, f32x4.mul(s, u));
      b3 = f32x4.add(b3, f32x4.mul(t, u));
      d += rowD;
      x += rowX;
    } while (x < end);
    for (let pending = pendingAdds(shard, shards); pending > 0; --pending) {
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
    v128.store(top, a0, 0);
    v128.store(top, a1, 16);
    v128.store(top, a2, 32);
    v128.store(top, a3, 48);
    v128.store(top, b0, 64);
    v128.store(top, b1, 80);
    v128.store(top, b2, 96);
    v128.store(top, b3, 112);
    top += TILE;
  }
}

/** Writes the first `columns` of sixteen floats. */
// @ts-ignore: AssemblyScript decorator
@inline
function storeRow(from: usize, target: usize, columns: i32): void {
  if (columns < 16) {
    memory.copy(target, from, <usize>columns << 2);
    return;
  }
  v128.store(target, v128.load(from));
  v128.store(target, v128.load(from, 16), 16);
  v128.store(target, v128.load(from, 32), 32);
  v128.store(target, v128.load(from, 48), 48);
}

/** Four outputs' biases, left at the bottom of the stack. */
function biasTile(d: usize, rowD: usize, shards: i32, samples: i32, stack: usize): void {
  let top = stack;
  for (let shard: i32 = 0; shard < shards; ++shard) {
    let a = f32x4.splat(0);
    for (let s: i32 = 0; s < samples; ++s, d += rowD) a = f32x4.add(a, v128.load(d));
    for (let pending = pendingAdds(shard, shards); pending > 0; --pending) {
      top -= 16;
      a = f32x4.add(v128.load(top), a);
    }
    v128.store(top, a);
    top += 16;
  }
}
