import type { StepRecord } from '../../train/observer.ts';

/** A series that has a sample for every single step, at the step's own time. */
export interface StepSeries {
  readonly name: string;
  readonly help: string;
  /** Where the name ends with it. */
  readonly unit?: string;
  /** Undefined where a step has none. */
  readonly of: (record: StepRecord) => number | undefined;
}

export const STEP_SERIES: readonly StepSeries[] = [
  { name: 'lockstep_step', help: 'Updates of the run done.', of: ({ step }) => step },
  { name: 'lockstep_train_loss', help: "Mean loss over the step's batch, before its update.", of: ({ loss }) => loss },
  {
    name: 'lockstep_train_accuracy_ratio',
    help: "Share of the step's batch that was classified right, 0 to 1, before its update.",
    of: ({ accuracy }) => accuracy,
  },
  { name: 'lockstep_learning_rate', help: 'Learning rate of the step.', of: ({ learningRate }) => learningRate },
  {
    name: 'lockstep_gradient_norm',
    help: "L2 norm of the step's mean gradient, before any clipping.",
    of: ({ gradientNorm }) => gradientNorm,
  },
  {
    name: 'lockstep_last_step_duration_seconds',
    unit: 'seconds',
    help: 'Time of the step, from drawing its samples to the updated weights, without evaluation and checkpoint.',
    of: ({ timings }) => timings.total,
  },
  {
    name: 'lockstep_test_accuracy_ratio',
    help: 'Share of the test set that was classified right, 0 to 1, after the step, where it was evaluated.',
    of: ({ testAccuracy }) => testAccuracy,
  },
  {
    name: 'lockstep_test_loss',
    help: 'Mean loss over the test set after the step, where it was evaluated.',
    of: ({ testLoss }) => testLoss,
  },
];

/** A series' value as steps.jsonl has it, which has no infinity. */
export function sampleOf({ of }: StepSeries, record: StepRecord): number | undefined {
  const value = of(record);
  return value === undefined || Number.isFinite(value) ? value : Number.NaN;
}
