import type { StateVersion, StepPhases } from '../../shared/engine/executor.ts';
import type { LocalStep } from '../../shared/engine/round-figures.ts';

/** Steps that are computed and applied together: a single one, or the local steps between two averages. */
export interface Round {
  /** Updates applied before it, and after it. */
  readonly t: number;
  readonly end: number;
  /** Seconds from drawing the samples to the updated weights. Complete after `apply`, as are the seconds of each phase. */
  readonly seconds: number;
  readonly phases: StepPhases | undefined;
  /** How far the replicas were from their average (docs/metrics.md). Known after `reduce`; undefined without replicas. */
  readonly divergence?: number | undefined;
  /** Seconds for which the loop waited for it. Known after `apply`. */
  readonly waitedSeconds: number;
  /**
   * What its steps found, the sums over the global batch of each.
   * @throws NotFiniteError if a loss or gradient norm isn't finite: the round must not be applied then; WorkerError if workers failed too
   * often; AbandonedError if the run stops and no worker is left
   */
  reduce(): Promise<readonly LocalStep[]>;
  /**
   * Makes the state after it the current one.
   * @param check called with the state before it becomes current; if it throws, the state doesn't
   */
  apply(check: (next: StateVersion) => void): Promise<void>;
}
