import type { ChainCheck, LogCheck } from './log-check.ts';
import type { DamagedCheckpoint } from './spans.ts';
import type { Contradiction } from './statements.ts';

/** The first difference between a run and what was computed again. */
export interface Difference {
  readonly step: number;
  /** The field of the step's line or, with the prefix `checkpoint.`, of its checkpoint. */
  readonly field: string;
  /** The value in the run; null if it has none. */
  readonly logged: number | string | null;
  readonly computed: number | string | null;
}

/** Steps between two checkpoints that were computed again. */
export interface RecomputedSpan {
  /** Updates done before the span. */
  readonly from: number;
  /** Updates done at its end. */
  readonly to: number;
  readonly same: boolean;
  readonly first?: Difference;
}

/** The result of a verification, as `lockstep verify --json` prints it. */
export interface Verification {
  readonly run: string;
  /** Whether everything that was compared is the same, and nothing is damaged or missing. */
  readonly same: boolean;
  /** Steps that the run has done so far. */
  readonly steps: number;
  readonly recomputed: {
    readonly spans: readonly RecomputedSpan[];
    /** Number of spans of the run. */
    readonly of: number;
    readonly steps: number;
    /** Share of the run's steps, 0..1. */
    readonly share: number;
  };
  readonly chain: ChainCheck;
  readonly log: LogCheck;
  /** What run.json states otherwise than itself, the log, or the checkpoints. */
  readonly stated: readonly Contradiction[];
  readonly damaged: readonly DamagedCheckpoint[];
}
