import { STEP_SCALARS, type StepRecord } from '#src/shared/live/step-scalars.js';

/** Samples that remote write sends of each step, the step's number included, and further ones of an evaluation. */
export const STEP_SAMPLES = 1 + STEP_SCALARS.filter(({ when }) => when === 'update').length;
export const EVALUATION_SAMPLES = STEP_SCALARS.length + 1 - STEP_SAMPLES;

/** A record that no run made. */
export function stepRecord(step: number, rest: Partial<StepRecord> = {}): StepRecord {
  return {
    step,
    loss: 0.25,
    accuracy: 0.875,
    learningRate: 0.003,
    gradientNorm: 1.5,
    timings: { total: 0.005 },
    ...rest,
  };
}
