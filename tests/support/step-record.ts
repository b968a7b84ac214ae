import { EVALUATION_FIELDS, isMeasured, STEP_SCALARS, type StepRecord } from '#src/shared/live/step-scalars.js';

/** Samples that remote write has room for a step, its number included; that it sends of each, and further ones of an evaluation. */
export const SAMPLES = 1 + STEP_SCALARS.length;
export const STEP_SAMPLES = 1 + STEP_SCALARS.filter(({ when }) => when === 'update').length;
export const EVALUATION_SAMPLES = EVALUATION_FIELDS.filter((field) =>
  isMeasured(field, { hasAccuracy: true, hasValidation: false }),
).length;

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
