import type { StateVersion } from '../../shared/engine/executor.ts';
import type { Update } from '../../shared/engine/update.ts';
import { Job } from '../../shared/scheduler/job.ts';
import { BlockWork } from './block-work.ts';
import type { RangeTarget } from './mailbox.ts';

/** A gradient or an evaluation whose results lie in regions of the shared memory. */
export class PoolJob extends Job<RangeTarget> {
  /** Regions of the results. */
  readonly regions: number[] = [];
}

/** A step: a gradient over all shards, and the update. */
export class StepJob extends PoolJob {
  readonly blocks: BlockWork;
  readonly current: StateVersion;
  readonly next: StateVersion;
  readonly update: Update;
  /** Which update record it uses. */
  readonly ringSlot: number;
  /** Workers that were given it all at once; 0: not yet. */
  team = 0;
  /** Generation of its barriers, as long as workers wait for each other there; else 0. */
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
