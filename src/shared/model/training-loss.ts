/** A cross-entropy that training computes in place of the head's own, by which evaluations go. */
export interface TrainingLoss {
  /** The share of each label that goes to all classes alike. */
  readonly labelSmoothing: number;
  /** [classes]: factors of the classes' terms; undefined: 1 each. */
  readonly classWeights?: readonly number[] | undefined;
}
