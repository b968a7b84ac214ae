import type { StateVersion, WeightsVersion } from '../../shared/engine/executor.ts';
import type { TreeNode } from '../../shared/engine/tree.ts';
import type { Update } from '../../shared/engine/update.ts';
import { Round } from '../../shared/scheduler/ledger.ts';
import { BlockWork } from './block-work.ts';
import type { Answer, Assignment } from './mailbox.ts';

export interface JobOptions {
  readonly kind: 'gradient' | 'evaluate';
  readonly t: number;
  readonly weights: WeightsVersion;
  /** Shards or chunks of the whole tree. */
  readonly units: number;
  /** Disjoint nodes of it. */
  readonly nodes: readonly TreeNode[];
}

/** Nodes to be filled into regions: a gradient or an evaluation. */
export class Job {
  readonly kind: JobOptions['kind'];
  readonly t: number;
  readonly weights: WeightsVersion;
  readonly round: Round<Assignment>;
  /** Regions of the results. */
  readonly regions: number[] = [];
  /** The slowest worker's seconds; of `dispatch` the pool's own. */
  readonly seconds = { total: 0, sample: 0, dispatch: 0, compute: 0, reduce: 0, update: 0 };
  /** What comes now comes too late. */
  closed = false;

  constructor({ kind, t, weights, units, nodes }: JobOptions) {
    this.kind = kind;
    this.t = t;
    this.weights = weights;
    this.round = new Round(units, nodes);
  }

  took(answer: Answer): void {
    for (const name of ['total', 'sample', 'compute', 'reduce', 'update'] as const) {
      this.seconds[name] = Math.max(this.seconds[name], answer[name]);
    }
  }

  get accepts(): boolean {
    return !this.closed && !this.round.complete;
  }
}

/** A step: a gradient over all shards, and the update. */
export class StepJob extends Job {
  readonly blocks: BlockWork;
  readonly current: StateVersion;
  readonly next: StateVersion;
  readonly update: Update;
  /** Which update record it uses. */
  readonly lane: number;
  /** Workers that were given it all at once; 0: not yet. */
  team = 0;
  /** Of its barriers, while workers wait for each other there; else 0. */
  ticket = 0;

  constructor(options: {
    readonly t: number;
    readonly current: StateVersion;
    readonly next: StateVersion;
    readonly update: Update;
    readonly shards: number;
    readonly blocks: number;
    readonly lane: number;
  }) {
    const { t, current, next, update, shards, blocks, lane } = options;
    super({ kind: 'gradient', t, weights: current, units: shards, nodes: [{ begin: 0, end: shards }] });
    this.blocks = new BlockWork(blocks);
    this.current = current;
    this.next = next;
    this.update = update;
    this.lane = lane;
  }
}
