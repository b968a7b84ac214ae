import type { LossSum } from './backend.ts';
import type { RoundFigures } from './round-figures.ts';
import type { ShardRange } from './tree.ts';
import type { StateVectors, Update } from './update.ts';

/** One state of the weights, [parameters] in shared memory. It is overwritten only when nobody reads it. */
export interface WeightsVersion {
  readonly values: Float32Array;
  /** Attempts that read it now; whoever starts one counts it, and counts it out when it has settled. */
  readers: number;
}

/** The weights after some step, and the optimizer's moments with them. */
export type StateVersion = WeightsVersion & StateVectors;

/** The sums over the shards under one vertex of the reduction tree. */
export interface PartialGradient extends LossSum {
  readonly range: ShardRange;
  /** [parameters] */
  readonly gradient: Float32Array;
}

/** The local steps of replicas, from a common state. */
export interface RoundWork {
  /** Updates done before the round. */
  readonly t: number;
  /** Local steps. */
  readonly steps: number;
  readonly current: StateVersion;
}

/** The sums over the replicas under one vertex of the tree over replicas: of their states, and of what their local steps found. */
export interface PartialState {
  readonly range: ShardRange;
  readonly state: StateVectors;
  readonly figures: RoundFigures;
}

/** The sums over all replicas, as disjoint parts of the tree. */
export interface RoundResult {
  /** They hold until the next round or evaluation. */
  readonly partials: readonly PartialState[];
  readonly seconds: number;
  readonly phases: StepPhases;
}

export interface StepWork {
  /** Updates done before this step: decides which samples it sees. */
  readonly t: number;
  readonly current: StateVersion;
  /** Receives the state after the update; nobody reads it. */
  readonly next: StateVersion;
  readonly update: Update;
}

export interface StepResult extends LossSum {
  /** The mean gradient's sum of squares. If it isn't finite, `next` is invalid. */
  readonly squares: number;
  /** Seconds from the slowest worker's start of the step to its end. */
  readonly seconds: number;
  readonly phases: StepPhases;
}

/** The seconds of each phase of computing gradients, of its slowest worker. */
export interface GradientPhases {
  /** Drawing samples, decoding and shifting them. */
  readonly sample: number;
  readonly compute: number;
  /** Adding partials. */
  readonly reduce: number;
}

/** The seconds of each phase of a step, likewise. */
export interface StepPhases extends GradientPhases {
  /** Sending work to the workers. */
  readonly dispatch: number;
  readonly update: number;
  /** What is left of the step. */
  readonly wait: number;
}

/** The run is to stop, and nobody is there who could finish the step or the evaluation: it is as if it hadn't been begun. */
export class AbandonedError extends Error {}

export interface StepUnderWay {
  /**
   * To be called once, in the order of the steps.
   * @throws WorkerError if the same shards failed again and again, AbandonedError
   */
  finish(): Promise<StepResult>;
}

/** What was found of the samples of a part. */
export interface EvaluatedPart {
  /** Sum over the samples, by fixed chunks in index order. */
  readonly lossSum: number;
  /** [samples]: the class of each. */
  readonly predictions: Uint16Array;
}

/** What was found of the test set and, if training samples are held back, of those. */
export interface Evaluation extends EvaluatedPart {
  readonly validation?: EvaluatedPart;
}

/** Whatever computes: the local pool of threads, and remote nodes. Workers may crash inside; the promise still holds. */
export interface Executor {
  /** Steps that may be under way at once. */
  readonly depth: number;
  /**
   * Begins a step: samples, computes and reduces the gradient of its global batch, and applies the update. It may be begun
   * before the one before it is finished, from the state that it will make; every other call waits until none is open.
   */
  begin(work: StepWork): StepUnderWay;
  /** Applies another update to the gradient of the last step, from the same state. @throws WorkerError as above */
  update(update: Update): Promise<void>;
  /** Has all replicas take the local steps of a round. @throws WorkerError, AbandonedError as a step does */
  round(work: RoundWork): Promise<RoundResult>;
  /** Classifies the test set and the validation samples. @param t updates done @throws WorkerError, AbandonedError as above */
  evaluate(weights: WeightsVersion, t: number): Promise<Evaluation>;
  close(): Promise<void>;
}
