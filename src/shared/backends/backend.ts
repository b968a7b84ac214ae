/** Samples by reference: the data set's own arrays, which of its samples, and how far to shift each. */
export interface SampleBatch {
  /** Bytes [sample][height][width]. */
  readonly images: Uint8Array;
  /** Bytes [sample]. */
  readonly labels: Uint8Array;
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

/** Turns (weights, shard) into (gradient, loss sum, correct count). One backend serves one thread. */
export interface Backend {
  readonly name: string;
  /** Reads the weights, [parameters] in flat order; they hold until the next call. */
  setWeights(weights: Float32Array): void;
  /**
   * Writes the sum of the samples' gradients, [parameters], over `gradient`.
   * The same weights and samples give the same bits (docs/determinism.md, 2).
   */
  shardGradient(samples: SampleBatch, gradient: Float32Array): LossSum;
  /** Losses without gradients; `predictions` [count] receives each sample's class. */
  evaluate(samples: SampleBatch, predictions: Uint8Array): LossSum;
}
