import { Stopwatch } from '../util/stopwatch.ts';
import type { UpdateBlock } from './optimizers/kind.ts';
import { OPTIMIZER_NAMES, type OptimizerName, optimizerOf } from './optimizers/registry.ts';
import { reduceTree } from './reduce.ts';
import { depthOf, type ShardRange } from './tree.ts';
import type { KernelExports } from './wasm/exports.ts';
import { type Layout, padded } from './wasm/memory.ts';

/** Parameters that are reduced and updated together; their squares are summed apart (docs/determinism.md). */
export const UPDATE_BLOCK = 4096;

/** The most scalars of an optimizer's update. */
const MAX_SCALARS = 16;

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
  readonly shards: number;
  readonly words: Int32Array;
  /** The scale, then the optimizer's scalars. */
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

  static allocate(memory: Layout, parameters: number, shards: number): UpdateRecord {
    return new UpdateRecord({
      parameters,
      shards,
      words: memory.int32(RANGES + RANGE_WORDS * shards),
      scalars: memory.float64(1 + MAX_SCALARS),
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
  rewrite({ optimizer, scale, scalars }: Update): void {
    this.plan.words[OPTIMIZER] = optimizer === undefined ? -1 : OPTIMIZER_NAMES.indexOf(optimizer);
    this.plan.scalars.set([scale, ...scalars]);
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

  constructor(kernel: KernelExports, plan: UpdateRecordPlan, scratch: readonly Float32Array[]) {
    this.#kernel = kernel;
    this.#plan = plan;
    this.#scratch = scratch;
  }

  static scratch(memory: Layout, shards: number): Float32Array[] {
    return Array.from({ length: depthOf(shards) + 1 }, () => memory.float32(UPDATE_BLOCK));
  }

  /** Reduces and updates blocks `begin` to `end` - 1. */
  apply({ begin, end }: ShardRange): void {
    const { words } = this.#plan;
    const name = OPTIMIZER_NAMES[words[OPTIMIZER] as number];
    const optimizer = name === undefined ? undefined : optimizerOf(name);
    const [scale = 0, ...scalars] = this.#plan.scalars;
    for (let block = begin; block < end; block++) {
      const first = block * UPDATE_BLOCK;
      const count = Math.min(UPDATE_BLOCK, padded(this.#plan.parameters) - first);
      this.reducing.start();
      const sum = this.#reduce(4 * first, count);
      this.reducing.stop();
      const mean = (this.#scratch[0] as Float32Array).byteOffset;
      this.#plan.squares[block] = this.#kernel.meanAndSquares(mean, sum, count, scale);
      optimizer?.apply(this.#kernel, { ...this.#pointers(4 * first), gradient: mean, count }, scalars);
    }
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

  /** The pointers to the vectors' parts that begin `offset` bytes into each. */
  #pointers(offset: number): Omit<UpdateBlock, 'gradient' | 'count'> {
    const { words } = this.#plan;
    const pointer = (index: number): number => address(words[POINTERS + index]) + offset;
    return { w: pointer(0), wNext: pointer(1), m: pointer(2), mNext: pointer(3), v: pointer(4), vNext: pointer(5) };
  }
}

/** The pointer that a word holds: above 2 GiB the word is negative. */
function address(word: number | undefined): number {
  return (word as number) >>> 0;
}
