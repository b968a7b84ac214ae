import type { StepPhases, WeightsVersion } from '../engine/executor.ts';
import type { ShardRange } from '../engine/tree.ts';
import { ShardLedger } from './ledger.ts';

export interface JobOptions {
  readonly kind: 'gradient' | 'replica' | 'evaluate';
  /** Updates done before; of an evaluation too. */
  readonly t: number;
  readonly weights: WeightsVersion;
  /** Local steps of each replica; 1 for anything else. */
  readonly steps?: number | undefined;
  /** Shards, replicas or chunks of the whole tree. */
  readonly units: number;
  /** Shards that a unit stands for, in all of its steps (default 1). */
  readonly shardsPerUnit?: number | undefined;
  /** Disjoint ranges of the tree. */
  readonly ranges: readonly ShardRange[];
}

/** Seconds that a job took: those of the slowest worker or member in each phase, and `dispatch` of the scheduler itself. */
export type JobSeconds = { -readonly [Phase in Exclude<keyof StepPhases, 'wait'>]: number } & { total: number };

/** A gradient, local steps or an evaluation that workers or members compute together. */
export class Job<Result> {
  readonly kind: JobOptions['kind'];
  readonly t: number;
  readonly weights: WeightsVersion;
  readonly steps: number;
  readonly ledger: ShardLedger<Result>;
  readonly seconds: JobSeconds = { total: 0, sample: 0, dispatch: 0, compute: 0, reduce: 0, update: 0 };
  /** What comes now comes too late. */
  closed = false;

  constructor({ kind, t, weights, steps = 1, units, shardsPerUnit, ranges }: JobOptions) {
    this.kind = kind;
    this.t = t;
    this.weights = weights;
    this.steps = steps;
    this.ledger = new ShardLedger(units, ranges, shardsPerUnit);
  }

  /** Assigns work, and measures how long that takes. */
  dispatch(assign: () => void): void {
    const start = performance.now();
    assign();
    this.seconds.dispatch += (performance.now() - start) / 1000;
  }

  /** Takes in the seconds of one attempt. */
  took(seconds: Partial<Omit<JobSeconds, 'dispatch'>>): void {
    for (const phase of ['total', 'sample', 'compute', 'reduce', 'update'] as const) {
      this.seconds[phase] = Math.max(this.seconds[phase], seconds[phase] ?? 0);
    }
  }

  get accepts(): boolean {
    return !this.closed && !this.ledger.complete;
  }
}
