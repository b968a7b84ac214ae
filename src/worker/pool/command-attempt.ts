import { Attempt } from '../../shared/scheduler/attempt.ts';
import { type AttemptCounts, ShardLedger } from '../../shared/scheduler/ledger.ts';
import type { BlockWork } from './block-work.ts';
import type { PoolJob } from './job.ts';
import type { Command } from './mailbox.ts';

/** Held by a command without shards or chunks: an update alone. */
const NO_SHARDS = new ShardLedger<never>(0, []);

export interface CommandAttemptOptions {
  readonly command: Command;
  /** The command's number in its worker's mailbox. */
  readonly sequence: number;
  /** What the command's ranges belong to; none if it is only an update. */
  readonly job: PoolJob | undefined;
  /** What the command's blocks belong to, if it has any. */
  readonly blocks: BlockWork | undefined;
  readonly now: number;
  readonly counts: AttemptCounts | undefined;
}

/** A command that a worker was given. Its regions belong to it until it has settled. */
export class CommandAttempt extends Attempt {
  readonly command: Command;
  readonly sequence: number;
  readonly job: PoolJob | undefined;
  #blocks: BlockWork | undefined;
  #reads: boolean;

  constructor({ command, sequence, job, blocks, now, counts }: CommandAttemptOptions) {
    super({ ledger: job?.ledger ?? NO_SHARDS, ranges: command.targets.map(({ range }) => range), now, counts });
    this.command = command;
    this.sequence = sequence;
    this.job = job;
    this.#blocks = blocks;
    this.#reads = job !== undefined;
    if (job !== undefined) job.weights.readers++;
  }

  /** It no longer counts among the readers of its job's weights. */
  stopReading(): void {
    if (this.#reads && this.job !== undefined) this.job.weights.readers--;
    this.#reads = false;
  }

  blocksApplied(): void {
    this.#blocks?.applied();
    this.#blocks = undefined;
  }

  /** Its blocks are missing again. */
  giveBlocksBack(): void {
    this.#blocks?.giveBack(this.command.blocks);
    this.#blocks = undefined;
  }

  /** A command that is only an update has failed. @returns its first block if the update failed too often to be tried again */
  failUpdate(): number | undefined {
    return this.job === undefined && this.#blocks?.fail() ? this.command.blocks.begin : undefined;
  }
}
