import type { Split } from '../data/dataset.ts';
import { Stopwatch } from '../util/stopwatch.ts';
import type { Augmenter } from './augmentations/augmenter.ts';
import type { Backend, LossSum } from './backend.ts';
import type { Sampler } from './sampler.ts';
import { type ShardRange, splitOf } from './tree.ts';
import type { KernelExports } from './wasm/exports.ts';
import { padded } from './wasm/memory.ts';

export interface TreeGradientOptions {
  readonly backend: Backend;
  readonly kernel: KernelExports;
  readonly sampler: Sampler;
  /** Undefined if samples aren't augmented, or only shifted. */
  readonly augmenter?: Augmenter | undefined;
  /** The data set that is sampled. */
  readonly train: Split;
  readonly shardSize: number;
  /** Vectors to reduce in, [parameters] each, one a level of the tree. */
  readonly levels: readonly Float32Array[];
}

/** Samples, computes and reduces the shards under a vertex of a step's tree, in the calling thread, with the backend's weights. */
export class TreeGradient {
  /** Runs while partials are added. */
  readonly reducing = new Stopwatch();
  readonly #options: TreeGradientOptions;
  readonly #indices: Int32Array;
  readonly #shifts: Int8Array;

  constructor(options: TreeGradientOptions) {
    this.#options = options;
    const count = options.shardSize * options.backend.shardsAtOnce;
    this.#indices = new Int32Array(count);
    this.#shifts = new Int8Array(2 * count);
  }

  /** Writes the gradient sum of step t's `range` over `target`, [parameters]: the left child's, plus the right child's from the next level. */
  sum(t: number, range: ShardRange, target: Float32Array, level = 0): LossSum {
    const { backend, kernel, levels } = this.#options;
    if (range.end - range.begin <= backend.shardsAtOnce) return this.#gradientOf(t, range, target);
    const split = splitOf(range);
    const right = levels[level] as Float32Array;
    const a = this.sum(t, { begin: range.begin, end: split }, target, level + 1);
    const b = this.sum(t, { begin: split, end: range.end }, right, level + 1);
    this.reducing.start();
    kernel.add(target.byteOffset, target.byteOffset, right.byteOffset, padded(target.length));
    this.reducing.stop();
    return { lossSum: a.lossSum + b.lossSum, correct: a.correct + b.correct };
  }

  #gradientOf(t: number, { begin, end }: ShardRange, target: Float32Array): LossSum {
    const { backend, sampler, augmenter, shardSize, train } = this.#options;
    const { inputs, targets } = train;
    const count = (end - begin) * shardSize;
    const indices = this.#indices.subarray(0, count);
    const shifts = this.#shifts.subarray(0, 2 * count);
    backend.sampling.start();
    const first = sampler.fill(t, begin * shardSize, count, indices, shifts);
    const drawn = { inputs, targets, first, indices, shifts };
    const samples = augmenter?.augment(drawn) ?? drawn;
    backend.sampling.stop();
    return backend.gradient(samples, end - begin, target);
  }
}
