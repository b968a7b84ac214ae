import type { TrainConfig } from '../../shared/config/config.ts';

/** A step that is evaluated and kept as a snapshot whatever the intervals are, to show the run's early state. */
export const EARLY_STEP = 100;

export interface Due {
  readonly evaluation: boolean;
  readonly checkpoint: boolean;
  /** Whether the hash chain gets a link. */
  readonly link: boolean;
}

type Intervals = Pick<TrainConfig, 'iterations' | 'evaluateEvery' | 'checkpointEvery' | 'hashEvery'>;

/** What is due after a step. */
export function dueAt({ iterations, evaluateEvery, checkpointEvery, hashEvery }: Intervals, step: number): Due {
  const isMultiple = (every: number): boolean => every > 0 && step % every === 0;
  const always = step === iterations || step === EARLY_STEP;
  return {
    evaluation: always || isMultiple(evaluateEvery),
    checkpoint: always || isMultiple(checkpointEvery),
    link: isMultiple(hashEvery),
  };
}

/**
 * Whether a checkpoint is a snapshot, which is never pruned: the start, the early step, and the end of each attempt.
 * @param ends the last step of each attempt, as it was planned
 */
export function isSnapshot(step: number, ends: readonly number[]): boolean {
  return step === 0 || step === EARLY_STEP || ends.includes(step);
}
