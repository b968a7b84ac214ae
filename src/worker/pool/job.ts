import type { StateVersion } from '../../shared/engine/executor.ts';
import type { Update } from '../../shared/engine/update.ts';
import { Job, type JobOptions } from '../../shared/scheduler/job.ts';
import { BlockWork } from './block-work.ts';
import type { RangeTarget } from './mailbox.ts';
import type { RegionStore } from './regions.ts';

interface PoolJobOptions extends JobOptions {
  /** Where its results' regions come from. */
  readonly store: Pick<RegionStore<unknown>, 'free' | 'take' | 'give'>;
  /** Of the global batch: where the shards of a replica's step begin (default 0). */
  readonly firstShard?: number | undefined;
}

/** A job whose results lie in regions of the shared memory. */
export class PoolJob extends Job<RangeTarget> {
  readonly store: PoolJobOptions['store'];
  readonly firstShard: number;
  /** Regions of the results. */
  readonly regions: number[] = [];

  constructor({ store, firstShard = 0, ...options }: PoolJobOptions) {
    super(options);
    this.store = store;
    this.firstShard = firstShard;
  }
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
    readonly store: PoolJobOptions['store'];
    readonly firstShard?: number | undefined;
  }) {
    const { t, current, next, update, shards, blocks, ringSlot, store, firstShard } = options;
    const ranges = [{ begin: 0, end: shards }];
    super({ kind: 'gradient', t, weights: current, units: shards, ranges, store, firstShard });
    this.blocks = new BlockWork(blocks);
    this.current = current;
    this.next = next;
    this.update = update;
    this.ringSlot = ringSlot;
  }
}
