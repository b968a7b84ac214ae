import { Stopwatch } from '../util/stopwatch.ts';
import type { OptimizerKind, UpdateBlock } from './optimizers/kind.ts';
import { OPTIMIZER_NAMES, type OptimizerName, type OptimizerOption, optimizerOf } from './optimizers/registry.ts';
import { reduceTree } from './reduce.ts';
import { type Segment, segmentsOf, type UpdateLayout } from './segments.ts';
import { depthOf, type ShardRange } from './tree.ts';
import type { KernelExports } from './wasm/exports.ts';
import { type Layout, padded } from './wasm/memory.ts';

/** Parameters that are reduced and updated together; their squares are summed apart (docs/determinism.md). */
export const UPDATE_BLOCK = 4096;

/** The most scalars of an optimizer's update. */
const MAX_SCALARS = 16;
/** Float32s that the kernel updates at once. */
const REGISTER = 4;
/** Pointers of an UpdateBlock. */
const VECTORS = 7;

/** Weights and moments, each [parameters] in shared memory, padded to whole registers. `v`: second moments, if the optimizer has any. */
export interface StateVectors {
  readonly values: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array | undefined;
}

/** What is done to every parameter. */
export interface Update {
  /** Undefined: nothing but the sum of squares. */
  readonly optimizer: OptimizerName | undefined;
  /** The factor from the gradient sum to the mean. */
  readonly scale: number;
  /** What the optimizer's `scalars` returned; float64 until the kernel takes them. */
  readonly scalars: readonly number[];
  /** The same without weight decay, for parameters that aren't decayed. */
  readonly plainScalars: readonly number[];
}

export interface UpdatePlan extends Update {
  /** Disjoint partials that together make up the root of the reduction tree; they are only read. */
  readonly partials: readonly { readonly range: ShardRange; readonly gradient: Float32Array }[];
  readonly current: StateVectors;
  readonly next: StateVectors;
}

/** Pointers into the shared memory: what it takes to make a record in another thread. */
export interface UpdateRecordPlan {
  readonly parameters: number;
  readonly segments: readonly Segment[];
  readonly shards: number;
  readonly words: Int32Array;
  /** The scale, then the optimizer's scalars with and without decay. */
  readonly scalars: Float64Array;
  readonly squares: Float64Array;
}

/** Index in OPTIMIZER_NAMES; -1 for none. */
const OPTIMIZER = 0;
const PARTIALS = 1;
const POINTERS = 2;
const RANGES = 8;
const RANGE_WORDS = 3;

/**
 * One update in shared memory, so that any thread can apply any block of it. It reads partials and the current state and
 * writes the next one, so a block may be applied again if a thread died in the middle of it.
 */
export class UpdateRecord {
  readonly plan: UpdateRecordPlan;

  constructor(plan: UpdateRecordPlan) {
    this.plan = plan;
  }

  static allocate(memory: Layout, layout: UpdateLayout, shards: number): UpdateRecord {
    const { parameters } = layout;
    return new UpdateRecord({
      parameters,
      segments: segmentsOf(layout),
      shards,
      words: memory.int32(RANGES + RANGE_WORDS * shards),
      scalars: memory.float64(1 + 2 * MAX_SCALARS),
      squares: memory.float64(Math.ceil(padded(parameters) / UPDATE_BLOCK)),
    });
  }

  get blocks(): number {
    return this.plan.squares.length;
  }

  write({ partials, current, next, ...update }: UpdatePlan): void {
    const { words } = this.plan;
    words[PARTIALS] = partials.length;
    const vectors = [current.values, next.values, current.m, next.m, current.v, next.v];
    for (const [i, vector] of vectors.entries()) words[POINTERS + i] = vector?.byteOffset ?? 0;
    for (const [i, { range, gradient }] of partials.entries()) {
      const at = RANGES + RANGE_WORDS * i;
      words[at] = range.begin;
      words[at + 1] = range.end;
      words[at + 2] = gradient.byteOffset;
    }
    this.rewrite(update);
  }

  /** Another update of the same gradient and state. */
  rewrite({ optimizer, scale, scalars, plainScalars }: Update): void {
    this.plan.words[OPTIMIZER] = optimizer === undefined ? -1 : OPTIMIZER_NAMES.indexOf(optimizer);
    this.plan.scalars.set([scale, ...scalars]);
    this.plan.scalars.set(plainScalars, 1 + MAX_SCALARS);
  }

  /** The mean gradient's sum of squares: blocks in order. */
  squares(): number {
    return this.plan.squares.reduce((sum, block) => sum + block, 0);
  }
}

/** Applies blocks of the record that the coordinator wrote last; one per thread. */
export class BlockUpdater {
  /** Runs while partials are added. */
  readonly reducing = new Stopwatch();
  readonly #kernel: KernelExports;
  readonly #plan: UpdateRecordPlan;
  /** A block each, one a level of the tree and one more. */
  readonly #scratch: readonly Float32Array[];
  readonly #unoptimized: readonly Segment[];
  /** A block, then a register of each of the vectors. */
  readonly #edge: Float32Array;

  constructor(kernel: KernelExports, plan: UpdateRecordPlan, scratch: readonly Float32Array[]) {
    this.#kernel = kernel;
    this.#plan = plan;
    this.#scratch = scratch;
    this.#edge = scratch.at(-1) as Float32Array;
    this.#unoptimized = plan.segments.filter(({ rule }) => rule === 'state' || rule === 'frozen');
  }

  static scratch(memory: Layout, shards: number): Float32Array[] {
    return [
      ...Array.from({ length: depthOf(shards) + 1 }, () => memory.float32(UPDATE_BLOCK)),
      memory.float32(UPDATE_BLOCK + REGISTER * VECTORS),
    ];
  }

  /** Reduces and updates blocks `begin` to `end` - 1. */
  apply({ begin, end }: ShardRange): void {
    const { words } = this.#plan;
    const name = OPTIMIZER_NAMES[words[OPTIMIZER] as number];
    const optimizer = name === undefined ? undefined : optimizerOf(name);
    const [scale = 0, ...scalars] = this.#plan.scalars;
    const [decayed, plain] = [scalars.slice(0, MAX_SCALARS), scalars.slice(MAX_SCALARS)];
    for (let block = begin; block < end; block++) {
      const first = block * UPDATE_BLOCK;
      const count = Math.min(UPDATE_BLOCK, padded(this.#plan.parameters) - first);
      this.reducing.start();
      const sum = this.#reduce(4 * first, count);
      this.reducing.stop();
      this.#plan.squares[block] = this.#mean(sum, first, count, scale);
      if (optimizer !== undefined) this.#update(optimizer, { decayed, plain }, first, count);
    }
  }

  /** Leaves the mean gradient in the first scratch block. @returns its sum of squares, without what isn't optimized */
  #mean(sum: number, first: number, count: number, scale: number): number {
    const mean = this.#scratch[0] as Float32Array;
    const squares = this.#kernel.meanAndSquares(mean.byteOffset, sum, count, scale);
    const others = this.#unoptimized.filter(({ begin, end }) => begin < first + count && end > first);
    if (others.length === 0) return squares;
    this.#edge.set(mean.subarray(0, count));
    for (const { begin, end } of others) this.#edge.fill(0, Math.max(0, begin - first), Math.min(count, end - first));
    return this.#kernel.meanAndSquares(this.#edge.byteOffset, this.#edge.byteOffset, count, 1);
  }

  #update(
    optimizer: OptimizerKind<OptimizerOption>,
    scalars: Readonly<Record<'decayed' | 'plain', readonly number[]>>,
    first: number,
    count: number,
  ): void {
    for (const segment of this.#plan.segments) {
      const [begin, end] = [Math.max(segment.begin, first), Math.min(segment.end, first + count)];
      if (begin >= end) continue;
      this.#inRegisters(begin, end, first, (block) => {
        const { rule } = segment;
        if (rule === 'decayed' || rule === 'plain') optimizer.apply(this.#kernel, block, scalars[rule]);
        else if (rule === 'state')
          this.#kernel.follow(block.w, block.wNext, block.gradient, block.count, segment.momentum);
        else this.#floats(block.wNext, block.count).set(this.#floats(block.w, block.count));
      });
    }
  }

  /**
   * Calls `update` with whole registers that together are parameters `begin` to `end` - 1. A register that others have a part
   * in is updated in a copy, of which the others' part is left out.
   */
  #inRegisters(begin: number, end: number, first: number, update: (block: UpdateBlock) => void): void {
    const [from, to] = [padded(begin), end - (end % REGISTER)];
    const gradient = (this.#scratch[0] as Float32Array).byteOffset;
    if (from < to) update(this.#block(4 * from, gradient + 4 * (from - first), to - from));
    if (begin < from) this.#updateEdge(begin, Math.min(end, from), first, update);
    if (to < end && to >= begin) this.#updateEdge(to, end, first, update);
  }

  #updateEdge(begin: number, end: number, first: number, update: (block: UpdateBlock) => void): void {
    const register = begin - (begin % REGISTER);
    const gradient = (this.#scratch[0] as Float32Array).byteOffset + 4 * (register - first);
    const { count, ...sources } = this.#block(4 * register, gradient, REGISTER);
    const places = Object.entries(sources).map(([name, at], i) => {
      return { name, at, copy: this.#edge.byteOffset + 4 * (UPDATE_BLOCK + REGISTER * i) };
    });
    const hasSecondMoments = this.#plan.words[POINTERS + 4] !== 0;
    const used = places.filter(({ name }) => hasSecondMoments || !name.startsWith('v'));
    for (const { at, copy } of used) this.#floats(copy, REGISTER).set(this.#floats(at, REGISTER));
    const copies = Object.fromEntries(places.map(({ name, copy }) => [name, copy]));
    update({ ...(copies as unknown as typeof sources), count });
    for (const { name, at, copy } of used) {
      if (!name.endsWith('Next')) continue;
      const part = this.#floats(copy, REGISTER).subarray(begin - register, end - register);
      this.#floats(at + 4 * (begin - register), end - begin).set(part);
    }
  }

  #floats(at: number, count: number): Float32Array {
    return new Float32Array(this.#edge.buffer, at, count);
  }

  /** The pointer to the gradient sum of one block, `offset` bytes into each partial. */
  #reduce(offset: number, count: number): number {
    const { words, shards } = this.#plan;
    const end = RANGES + RANGE_WORDS * (words[PARTIALS] as number);
    const known = (range: ShardRange): number | undefined => {
      for (let at = RANGES; at < end; at += RANGE_WORDS) {
        if (words[at] === range.begin && words[at + 1] === range.end) return address(words[at + 2]) + offset;
      }
      return undefined;
    };
    return reduceTree({ begin: 0, end: shards }, known, (left, right, depth) => {
      const target = (this.#scratch[depth] as Float32Array).byteOffset;
      this.#kernel.add(target, left, right, count);
      return target;
    });
  }

  /** The vectors' parts that begin `offset` bytes into each. */
  #block(offset: number, gradient: number, count: number): UpdateBlock {
    const { words } = this.#plan;
    const pointer = (index: number): number => address(words[POINTERS + index]) + offset;
    const [w, wNext, m] = [pointer(0), pointer(1), pointer(2)];
    return { w, wNext, m, mNext: pointer(3), v: pointer(4), vNext: pointer(5), gradient, count };
  }
}

/** The pointer that a word holds: above 2 GiB the word is negative. */
function address(word: number | undefined): number {
  return (word as number) >>> 0;
}
