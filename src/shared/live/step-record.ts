import type { OwnValues } from './own-scalars.ts';

/** A line of steps.jsonl. Everything but `timings` and `scalars` is the same for any number of workers. */
export interface StepRecord extends Evaluation {
  /** Updates done, this one included; the first is 1. */
  readonly step: number;
  /** Mean over the global batch, before the update. */
  readonly loss: number;
  /** Share of the global batch that is right, before the update, 0..1; undefined for regression. */
  readonly accuracy?: number;
  readonly learningRate: number;
  /** L2 norm of the mean gradient, before clipping. */
  readonly gradientNorm: number;
  /** Of the round that the step belongs to: the mean squared distance of the replicas' weights to their average over the squared length of the average's step. */
  readonly replicaDivergence?: number;
  readonly timings: StepTimings;
  /** Numbers of the caller's own; undefined: it gave none. */
  readonly scalars?: OwnValues;
  /** SHA-256 of the weights after the update, lower-case hex; undefined if it wasn't computed. */
  readonly weightsSha256?: string;
  /** The hash chain over the run so far, lower-case hex; undefined if the step has no link. */
  readonly chain?: string;
}

/** The result of an evaluation after the update; undefined if the step wasn't evaluated. */
export interface Evaluation {
  /** Share of the test set that is classified correctly, 0..1. */
  readonly testAccuracy?: number;
  /** Of numbers, 1 - squared errors / squared deviations from the test set's mean: 1 if all are right, 0 if each guess is that mean. */
  readonly testR2?: number;
  /** Mean over the test set. */
  readonly testLoss?: number;
  /** The same of the training samples that --validation holds back; undefined without them. */
  readonly validationAccuracy?: number;
  readonly validationR2?: number;
  readonly validationLoss?: number;
}

/** Durations in seconds, and the time of the step. */
export interface StepTimings {
  /**
   * When the step was done: Unix milliseconds, an integer that rises by at least 1 from step to step, also across clock changes and
   * resumes. Undefined in the log of an older version.
   */
  readonly at?: number;
  /** From drawing the samples to the updated weights, without evaluation and checkpoint. */
  readonly total: number;
  /** Duration of each phase in the slowest worker, by name (docs/metrics.md); `evaluate` and `checkpoint` come after `total`. */
  readonly phases?: Readonly<Record<string, number>>;
}
