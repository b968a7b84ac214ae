import type { ValidationState } from '../../shared/checkpoint/validation-state.ts';
import type { Evaluation } from '../../shared/live/step-scalars.ts';

/** With the figures of the last evaluation. */
export interface TrainingResult extends Evaluation {
  /** Updates done, those before the starting point included. */
  readonly steps: number;
  /** False if an evaluation or a step was abandoned, because nobody was left to compute it when the run was stopped. */
  readonly complete: boolean;
  /** Mean loss of the last step. */
  readonly trainLoss: number | undefined;
  /** The step of the last evaluation. */
  readonly testedAt: number | undefined;
  /** The best evaluation by what --keep-best goes by, by default the lowest validation loss; undefined if there is none. */
  readonly best: ValidationState['best'];
  /** Whether the run is over before its last iteration, by --patience. */
  readonly stoppedEarly: boolean;
  readonly weightsSha256: string;
  /** The hash chain's last value. */
  readonly chain: string;
  /** Updates done in this attempt, and the seconds that they took, without evaluations. */
  readonly trained: { readonly steps: number; readonly seconds: number };
}
