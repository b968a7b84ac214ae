import type { Evaluation, StepRecord } from '../../shared/live/step-scalars.ts';
import type { Severity } from '../../shared/util/notice.ts';

export type { StepRecord, StepTimings } from '../../shared/live/step-scalars.ts';

/**
 * Whatever records or shows a run's steps, such as the progress display, the metrics and the step log. The step loop knows
 * this interface alone. An observer never changes the run: it is given numbers and text, never the weights.
 */
export interface StepObserver {
  /** Called last for a step: by then the record also has the results of its evaluation and checkpoint. */
  onStep?(record: StepRecord): void;
  /** Called with the figures of the test set, and of the validation samples if there are any. */
  onEvaluation?(record: EvaluationRecord): void;
  /** Called when a checkpoint is on the disk. */
  onCheckpoint?(record: CheckpointRecord): void;
  /** Called at any moment, independently of the steps. */
  onEvent?(event: RunEvent): void;
  /** Called once, after the last step or after a failure. */
  close?(): Promise<void>;
}

export interface EvaluationRecord extends Evaluation {
  readonly testLoss: number;
  readonly step: number;
  readonly seconds: number;
}

/** A checkpoint that is on the disk. */
export interface CheckpointRecord {
  readonly step: number;
  readonly file: string;
  readonly seconds: number;
}

/** `starting` includes a thread that replaces a lost one. */
export type WorkerState = 'starting' | 'ready';

/**
 * Why a node is gone. `left`: it left on its own; `lost`: it crashed, was silent too long, or its connection broke; `closed`: the
 * coordinator closed the connection because of an error of the node.
 */
export const LEAVE_REASONS = ['left', 'lost', 'closed'] as const;
/** Why a node is gone: it `left`, was `lost`, or the coordinator `closed` its connection. */
export type LeaveReason = (typeof LEAVE_REASONS)[number];

/** What happens beside the steps. */
export type RunEvent =
  /** How many workers of a node are in each state now. */
  | { readonly kind: 'workers'; readonly node: string; readonly counts: Readonly<Record<WorkerState, number>> }
  /** Nodes can connect to this address. */
  | { readonly kind: 'listening'; readonly url: string }
  /** A remote node is ready to compute. */
  | { readonly kind: 'joined'; readonly node: string }
  /** A remote node that had joined is gone. */
  | { readonly kind: 'gone'; readonly node: string; readonly reason: LeaveReason }
  /** A checkpoint couldn't be written, or again one could. */
  | { readonly kind: 'disk'; readonly failure: string | undefined }
  /** A sentence for the user. `level`: default info; `node`: the node that it is about. */
  | {
      readonly kind: 'notice';
      readonly message: string;
      readonly level?: Severity;
      readonly node?: string;
    };

/** One observer that forwards every call to each of `observers`. */
export function together(observers: readonly StepObserver[]): Required<Omit<StepObserver, 'close'>> {
  return {
    onStep: (record) => {
      for (const observer of observers) observer.onStep?.(record);
    },
    onEvaluation: (record) => {
      for (const observer of observers) observer.onEvaluation?.(record);
    },
    onCheckpoint: (record) => {
      for (const observer of observers) observer.onCheckpoint?.(record);
    },
    onEvent: (event) => {
      for (const observer of observers) observer.onEvent?.(event);
    },
  };
}
