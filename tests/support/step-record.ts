import { STEP_SCALARS, type StepRecord, type StepScalar } from '#src/shared/live/step-scalars.js';

/** Samples that remote write has room for a step, its number included; that it sends of each, and further ones of an evaluation. */
export const SAMPLES = 1 + STEP_SCALARS.length;
const RUN = { hasAccuracy: true, hasValidation: false, hasReplicas: false };
const ofRun = (scalars: readonly StepScalar[]): number => scalars.filter(({ isOf = () => true }) => isOf(RUN)).length;
export const STEP_SAMPLES = 1 + ofRun(STEP_SCALARS.filter(({ when }) => when === 'update'));
export const EVALUATION_SAMPLES = ofRun(STEP_SCALARS.filter(({ when }) => when === 'evaluation'));

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
