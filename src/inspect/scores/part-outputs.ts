/** What scores are made of: the outputs of consecutive test samples. */
export interface PartOutputs {
  /** Place of its first sample in the test set. */
  readonly first: number;
  readonly count: number;
  /** [count][classes] */
  readonly outputs: Float32Array;
}
