import { z } from 'zod';
import type { Evaluation } from '../live/step-scalars.ts';

export const BestEvaluation = z.object({
  step: z.int().min(1),
  validationAccuracy: z.number().exactOptional(),
  validationR2: z.number().exactOptional(),
  validationLoss: z.number(),
});

/** What a run's validation losses were so far: what --keep-best and --patience go by. */
export const ValidationState = z.object({
  /** The first evaluation with the lowest loss; absent if no loss was finite. */
  best: BestEvaluation.exactOptional(),
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
  const isLower = validationLoss < (state.best?.validationLoss ?? Number.POSITIVE_INFINITY);
  if (!isLower) return { ...state, since: state.since + 1 };
  const figures = {
    ...(validationAccuracy !== undefined && { validationAccuracy }),
    ...(validationR2 !== undefined && { validationR2 }),
  };
  return { best: { step, ...figures, validationLoss }, since: 0 };
}
