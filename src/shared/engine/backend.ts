import type { Inputs, Targets } from '../data/dataset.ts';
import type { Stopwatch } from '../util/stopwatch.ts';

/** Samples by reference: the data set's own arrays, which of its samples, and how far to shift each. */
export interface SampleBatch {
  /** [sample][maps][height][width] */
  readonly inputs: Inputs;
  /** [sample], or [sample][outputs] if they are floats. */
  readonly targets: Targets;
  /** Position of the first one in the stream of training samples, t * batch + its place in the batch; 0 in an evaluation. */
  readonly first: number;
  /** [count] */
  readonly indices: Int32Array;
  /** [count][2]: rows down, columns right. */
  readonly shifts: Int8Array;
}

/** Sums over samples, so that they add up in the reduction tree. */
export interface LossSum {
  readonly lossSum: number;
  readonly correct: number;
}

/** Turns weights and shards into gradients, loss sums and correct counts. One backend serves one thread. */
export interface Backend {
  readonly name: string;
  /** Most shards that one call of `gradient` takes; a power of two. */
  readonly shardsAtOnce: number;
  /** Runs while samples are decoded and shifted. */
  readonly sampling: Stopwatch;
  /** Reads the weights, [parameters] in flat order; they hold until the next call. */
  setWeights(weights: Float32Array): void;
  /**
   * Writes the gradient sum of consecutive shards, added as the reduction tree has it, over `gradient`, [parameters].
   * A shard's own gradient depends on the weights and its samples alone (docs/determinism.md, 2).
   * @param samples the shards' samples, equally many each
   */
  gradient(samples: SampleBatch, shards: number, gradient: Float32Array): LossSum;
  /** Losses without gradients; `predictions` [count] receives each sample's class. */
  evaluate(samples: SampleBatch, predictions: Uint16Array): LossSum;
}
