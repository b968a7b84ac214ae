import type { Moments } from '../../shared/checkpoint/checkpoint.ts';
import type { ValidationState } from '../../shared/checkpoint/validation-state.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { Executor } from '../../shared/engine/executor.ts';
import type { Optimizer } from '../../shared/engine/optimizer.ts';
import type { StateStore } from '../../shared/engine/state.ts';
import type { HashChain } from './hash-chain.ts';
import type { StepObserver, StepRecord } from './observer.ts';
import type { TestAnswers } from './test-answers.ts';

export interface Training {
  readonly config: TrainConfig;
  readonly from: StartingPoint;
  /** Ends after this many updates (default: after the last iteration). */
  readonly until?: number;
  readonly executor: Executor;
  /** Holds the state of the starting point. */
  readonly state: StateStore;
  readonly optimizer: Optimizer;
  readonly chain: HashChain;
  readonly answers: TestAnswers;
  readonly observer: Required<Pick<StepObserver, 'onStep' | 'onEvaluation'>>;
  /** Takes a checkpoint of a state, which it copies before it returns. */
  readonly checkpoint: (state: CheckpointState) => void;
  /** Whether a checkpoint was asked for since the last call. */
  readonly checkpointAsked?: () => boolean;
  /** Aborted: the run ends after the steps under way, with a checkpoint. */
  readonly stop: AbortSignal;
  /** The clock, in Unix milliseconds (default: the system's). */
  readonly now?: () => number;
}

/** Where a run begins, or continues. */
export interface StartingPoint {
  /** Updates done. */
  readonly step: number;
  /** The record of the last update. */
  readonly record?: StepRecord | undefined;
  /** The latest timestamp that a step was given, in Unix milliseconds; steps that are computed again count too. */
  readonly at?: number | undefined;
  /** Undefined before the first evaluation. */
  readonly validation?: ValidationState | undefined;
}

export interface CheckpointState {
  /** Updates done. */
  readonly step: number;
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
  readonly optimizer: Moments;
  /** The hash chain's value. */
  readonly chain: string;
  /** Undefined if no samples are held back. */
  readonly validation?: ValidationState | undefined;
}
