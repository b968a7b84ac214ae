import { z } from 'zod';
import type { Evaluation } from '../live/step-scalars.ts';

export const BestEvaluation = z.object({
  step: z.int().min(1),
  validationAccuracy: z.number().exactOptional(),
  validationR2: z.number().exactOptional(),
  validationLoss: z.number(),
});

/** What --keep-best may go by. */
export const KEEP_BEST_METRICS = ['validation-loss', 'validation-accuracy', 'validation-r2'] as const;

/** `true`: by the loss. */
export type KeepBest = boolean | (typeof KEEP_BEST_METRICS)[number];

/** What a run's validation losses were so far: what --keep-best and --patience go by. */
export const ValidationState = z.object({
  /** The first evaluation with the lowest loss; absent if no loss was finite. */
  best: BestEvaluation.exactOptional(),
  /** The first evaluation with the highest accuracy, or of numbers R²; absent if no loss was finite. */
  highest: BestEvaluation.exactOptional(),
  /** Evaluations after it. */
  since: z.int().min(0),
});

export type ValidationState = Readonly<z.output<typeof ValidationState>>;

/** Before the first evaluation. */
export const NOT_VALIDATED: ValidationState = { since: 0 };

/** Whether a run is over before its last iteration: too many evaluations had no lower loss. */
export function stopsEarly(
  { since }: ValidationState,
  steps: number,
  { patience, iterations }: { readonly patience: number; readonly iterations: number },
): boolean {
  return patience > 0 && since >= patience && steps < iterations;
}

/** The state after an evaluation; a loss that isn't finite is never the lowest. */
export function afterEvaluation(
  state: ValidationState,
  { step, validationAccuracy, validationR2, validationLoss }: Evaluation & { readonly step: number },
): ValidationState {
  if (validationLoss === undefined) return state;
  const figures = {
    ...(validationAccuracy !== undefined && { validationAccuracy }),
    ...(validationR2 !== undefined && { validationR2 }),
  };
  const evaluation = { step, ...figures, validationLoss };
  const isLower = validationLoss < (state.best?.validationLoss ?? Number.POSITIVE_INFINITY);
  const isHigher = Number.isFinite(validationLoss) && scoreOf(evaluation) > scoreOf(state.highest);
  return {
    ...state,
    ...(isLower && { best: evaluation }),
    ...(isHigher && { highest: evaluation }),
    since: isLower ? 0 : state.since + 1,
  };
}

/** The evaluation that --keep-best keeps, or would keep: that with the lowest loss, if it names no other metric. */
export function bestBy(keepBest: KeepBest, state: ValidationState | undefined): ValidationState['best'] {
  return isByScore(keepBest) ? state?.highest : state?.best;
}

/** Whether the best evaluation is the one with the highest accuracy or R². */
export function isByScore(keepBest: KeepBest): boolean {
  return keepBest === 'validation-accuracy' || keepBest === 'validation-r2';
}

function scoreOf(evaluation: ValidationState['best']): number {
  return evaluation?.validationAccuracy ?? evaluation?.validationR2 ?? Number.NEGATIVE_INFINITY;
}
