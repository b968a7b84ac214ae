import type { TrainConfig } from '../../shared/config/config.ts';

/** Evaluated and kept whatever the intervals are: the run's early picture. */
export const EARLY_STEP = 100;

export interface Due {
  readonly evaluation: boolean;
  readonly checkpoint: boolean;
  /** A link of the hash chain. */
  readonly link: boolean;
}

type Intervals = Pick<TrainConfig, 'iterations' | 'evaluateEvery' | 'checkpointEvery' | 'hashEvery'>;

/** What happens after a step besides the step itself. */
export function dueAt({ iterations, evaluateEvery, checkpointEvery, hashEvery }: Intervals, step: number): Due {
  const isMultiple = (every: number): boolean => every > 0 && step % every === 0;
  const always = step === iterations || step === EARLY_STEP;
  return {
    evaluation: always || isMultiple(evaluateEvery),
    checkpoint: always || isMultiple(checkpointEvery),
    link: isMultiple(hashEvery),
  };
}

/** Whether a checkpoint is a snapshot, which is never pruned: the start, the early picture, and the end of each attempt. */
export function isSnapshot(step: number, ends: readonly number[]): boolean {
  return step === 0 || step === EARLY_STEP || ends.includes(step);
}
