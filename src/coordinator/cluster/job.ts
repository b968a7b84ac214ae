import type { WeightsVersion } from '../../shared/executor.ts';
import { Round } from '../../shared/reduction/round.ts';
import type { TreeNode } from '../../shared/tree.ts';

/** A step's gradient, or an evaluation: what all members compute together. */
export class Job<Result> {
  readonly kind: 'gradient' | 'evaluate';
  readonly t: number;
  readonly weights: WeightsVersion;
  readonly round: Round<Result>;
  /** Nobody has begun. */
  isUntouched = true;
  /** What comes now comes too late. */
  closed = false;

  constructor(
    kind: 'gradient' | 'evaluate',
    { t, weights, whole }: { readonly t: number; readonly weights: WeightsVersion; readonly whole: TreeNode },
  ) {
    this.kind = kind;
    this.t = t;
    this.weights = weights;
    this.round = new Round(whole.end, [whole]);
  }

  get accepts(): boolean {
    return !this.closed && !this.round.complete;
  }
}
