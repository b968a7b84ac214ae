import type { StateVersion, WeightsVersion } from '../../shared/engine/executor.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import type { Update } from '../../shared/engine/update.ts';
import { ShardLedger } from '../../shared/scheduler/ledger.ts';
import { BlockWork } from './block-work.ts';
import type { Answer, RangeTarget } from './mailbox.ts';

export interface JobOptions {
  readonly kind: 'gradient' | 'evaluate';
  readonly t: number;
  readonly weights: WeightsVersion;
  /** Shards or chunks of the whole tree. */
  readonly units: number;
  /** Disjoint nodes of it. */
  readonly ranges: readonly ShardRange[];
}

/** Nodes to be filled into regions: a gradient or an evaluation. */
export class Job {
  readonly kind: JobOptions['kind'];
  readonly t: number;
  readonly weights: WeightsVersion;
  readonly ledger: ShardLedger<RangeTarget>;
  /** Regions of the results. */
  readonly regions: number[] = [];
  /** The slowest worker's seconds; of `dispatch` the pool's own. */
  readonly seconds = { total: 0, sample: 0, dispatch: 0, compute: 0, reduce: 0, update: 0 };
  /** What comes now comes too late. */
  closed = false;

  constructor({ kind, t, weights, units, ranges }: JobOptions) {
    this.kind = kind;
    this.t = t;
    this.weights = weights;
    this.ledger = new ShardLedger(units, ranges);
  }

  took(answer: Answer): void {
    for (const name of ['total', 'sample', 'compute', 'reduce', 'update'] as const) {
      this.seconds[name] = Math.max(this.seconds[name], answer[name]);
    }
  }

  get accepts(): boolean {
    return !this.closed && !this.ledger.complete;
  }
}

/** A step: a gradient over all shards, and the update. */
export class StepJob extends Job {
  readonly blocks: BlockWork;
  readonly current: StateVersion;
  readonly next: StateVersion;
  readonly update: Update;
  /** Which update record it uses. */
  readonly ringSlot: number;
  /** Workers that were given it all at once; 0: not yet. */
  team = 0;
  /** Of its barriers, while workers wait for each other there; else 0. */
  generation = 0;

  constructor(options: {
    readonly t: number;
    readonly current: StateVersion;
    readonly next: StateVersion;
    readonly update: Update;
    readonly shards: number;
    readonly blocks: number;
    readonly ringSlot: number;
  }) {
    const { t, current, next, update, shards, blocks, ringSlot } = options;
    super({ kind: 'gradient', t, weights: current, units: shards, ranges: [{ begin: 0, end: shards }] });
    this.blocks = new BlockWork(blocks);
    this.current = current;
    this.next = next;
    this.update = update;
    this.ringSlot = ringSlot;
  }
}
