import type { GradientPhases, WeightsVersion } from '../../shared/engine/executor.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import { ShardLedger } from '../../shared/scheduler/ledger.ts';

/** A step's gradient, or an evaluation: what all members compute together. */
export class Job<Result> {
  readonly kind: 'gradient' | 'evaluate';
  readonly t: number;
  readonly weights: WeightsVersion;
  readonly ledger: ShardLedger<Result>;
  /** Nobody has begun. */
  isUntouched = true;
  /** Seconds of telling members; and of the one that took longest with its pieces of use, in each. */
  readonly seconds = { dispatch: 0, sample: 0, compute: 0, reduce: 0 };
  /** What comes now comes too late. */
  closed = false;

  constructor(
    kind: 'gradient' | 'evaluate',
    { t, weights, whole }: { readonly t: number; readonly weights: WeightsVersion; readonly whole: ShardRange },
  ) {
    this.kind = kind;
    this.t = t;
    this.weights = weights;
    this.ledger = new ShardLedger(whole.end, [whole]);
  }

  took(phases: GradientPhases): void {
    for (const name of ['sample', 'compute', 'reduce'] as const) {
      this.seconds[name] = Math.max(this.seconds[name], phases[name]);
    }
  }

  get accepts(): boolean {
    return !this.closed && !this.ledger.complete;
  }
}
