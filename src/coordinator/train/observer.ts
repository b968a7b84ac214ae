import type { Evaluation, StepRecord } from '../../shared/live/step-scalars.ts';

export type { StepRecord, StepTimings } from '../../shared/live/step-scalars.ts';

/**
 * What a run tells those who watch it. The step loop knows this interface alone; the progress display, the metrics and
 * the step log implement it. An observer never changes the run: what it is given holds no way back to the weights.
 */
export interface StepObserver {
  /** Last of a step's calls: by then the record also has what its evaluation and checkpoint found. */
  onStep?(record: StepRecord): void;
  onEvaluation?(record: EvaluationRecord): void;
  onCheckpoint?(record: CheckpointRecord): void;
  /** What happens beside the steps, at any moment. */
  onEvent?(event: RunEvent): void;
  /** Called once, after the last step or where the run failed. */
  close?(): Promise<void>;
}

export interface EvaluationRecord extends Required<Evaluation> {
  readonly step: number;
  readonly seconds: number;
}

export interface CheckpointRecord {
  readonly step: number;
  readonly file: string;
  readonly seconds: number;
}

/** `starting`: also where a thread was lost and another takes its place. */
export type WorkerState = 'starting' | 'ready';

/** left: the node said so; lost: a crash, silence or a broken connection; closed: by the coordinator, for what the node did. */
export const LEAVE_REASONS = ['left', 'lost', 'closed'] as const;
export type LeaveReason = (typeof LEAVE_REASONS)[number];

export type RunEvent =
  /** How many workers of a node are in each state now. */
  | { readonly kind: 'workers'; readonly node: string; readonly counts: Readonly<Record<WorkerState, number>> }
  /** A remote node has become ready to take part, or one that was no longer does. */
  | { readonly kind: 'joined'; readonly node: string }
  | { readonly kind: 'gone'; readonly node: string; readonly reason: LeaveReason }
  /** A sentence for the person who watches the run. `level`: default info; `node`: whom it is about. */
  | {
      readonly kind: 'notice';
      readonly message: string;
      readonly level?: 'info' | 'warn' | 'error';
      readonly node?: string;
    };

/** One observer that passes every call on to each. */
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
