import type { Moments } from '../../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { Executor } from '../../shared/engine/executor.ts';
import type { HashChain } from './hash-chain.ts';
import type { StepObserver, StepRecord } from './observer.ts';
import type { Optimizer } from './optimizer.ts';
import type { StateStore } from './state.ts';

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
  /** [test samples]: the class of each. */
  readonly testLabels: Uint8Array;
  readonly observer: Required<Pick<StepObserver, 'onStep' | 'onEvaluation'>>;
  /** Takes a checkpoint of this state, which it copies before it returns. */
  readonly checkpoint: (state: CheckpointState) => void;
  /** Whether somebody has asked for a checkpoint since the last call. */
  readonly checkpointAsked?: () => boolean;
  /** Aborted: the run ends after the steps under way, with a checkpoint. */
  readonly stop: AbortSignal;
  /** Unix milliseconds (default: the system's clock). */
  readonly now?: () => number;
}

/** Where a run begins, or continues. */
export interface StartingPoint {
  /** Updates done. */
  readonly step: number;
  /** The record of the last of them. */
  readonly record?: StepRecord | undefined;
  /** The latest timestamp that a step was given, steps that are computed again included: Unix milliseconds. */
  readonly at?: number | undefined;
}

export interface CheckpointState {
  readonly step: number;
  readonly weights: Float32Array;
  readonly optimizer: Moments;
  /** The hash chain's value. */
  readonly chain: string;
}

export interface TrainingResult {
  /** Updates done, those before the starting point included. */
  readonly steps: number;
  /** Mean loss of the last step. */
  readonly trainLoss: number | undefined;
  /** The step of the last evaluation, and what that found. */
  readonly testedAt: number | undefined;
  readonly testAccuracy: number | undefined;
  readonly testLoss: number | undefined;
  readonly weightsSha256: string;
  /** The hash chain's last value. */
  readonly chain: string;
  /** Updates done here, and the seconds in them, without evaluations. */
  readonly trained: { readonly steps: number; readonly seconds: number };
}
