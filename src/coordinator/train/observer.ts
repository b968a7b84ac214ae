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

/** A line of steps.jsonl. Everything but `timings` is the same for any number of workers. */
export interface StepRecord {
  /** Updates done, this one included; the first is 1. */
  readonly step: number;
  /** Mean over the global batch, before the update. */
  readonly loss: number;
  /** Of the global batch, before the update, 0..1. */
  readonly accuracy: number;
  readonly learningRate: number;
  /** L2 norm of the mean gradient, before clipping. */
  readonly gradientNorm: number;
  readonly timings: StepTimings;
  /** On the test set, after the update, 0..1; only where evaluated. */
  readonly testAccuracy?: number;
  /** Mean over the test set; only where evaluated. */
  readonly testLoss?: number;
  /** Of the weights after the update, lower-case hex; only where taken. */
  readonly weightsSha256?: string;
  /** The hash chain over the run so far, lower-case hex; only where taken. */
  readonly chain?: string;
}

/** Seconds, but for `at`. */
export interface StepTimings {
  /**
   * When the step was done: Unix milliseconds, an integer that rises by at least 1 from step to step, also across clock changes and
   * resumes. Undefined in the log of an older version.
   */
  readonly at?: number;
  /** From drawing the samples to the updated weights, without evaluation and checkpoint. */
  readonly total: number;
  /** Each of the slowest worker, by name (docs/metrics.md); `evaluate` and `checkpoint` come after it. */
  readonly phases?: Readonly<Record<string, number>>;
}

export interface EvaluationRecord {
  readonly step: number;
  /** 0..1 */
  readonly testAccuracy: number;
  /** Mean over the test set. */
  readonly testLoss: number;
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
