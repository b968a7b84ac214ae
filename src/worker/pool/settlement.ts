import type { Watchdog } from '../../shared/scheduler/watchdog.ts';
import type { CommandAttempt } from './command-attempt.ts';
import type { Answer } from './mailbox.ts';
import type { WorkerSlot, WorkerThreads } from './worker-threads.ts';

export interface SettlementParts {
  readonly threads: WorkerThreads;
  readonly watchdog: Watchdog;
  readonly shardSize: number;
}

/** Takes in what workers have finished: results, speeds, counts, and buffers that are free again. */
export class Settlement {
  /** What became of the shards that workers were given. */
  readonly shardCounts = { done: 0, late: 0, lost: 0 };
  /** [workers]: samples that each computed gradients of. */
  readonly workerSamples: number[];
  readonly #parts: SettlementParts;

  constructor(parts: SettlementParts) {
    this.#parts = parts;
    this.workerSamples = parts.threads.slots.map(() => 0);
  }

  /** Whether a worker has finished something that isn't taken in yet. */
  get isDue(): boolean {
    return this.#parts.threads.slots.some(hasFinished);
  }

  settleFinished(): void {
    for (const slot of this.#parts.threads.slots) {
      while (hasFinished(slot)) {
        const attempt = slot.queue.shift() as CommandAttempt;
        const next = slot.queue[0];
        if (next !== undefined) next.startedAt = this.#parts.watchdog.now();
        slot.launches = 0;
        const answer = slot.mailbox.answer(attempt.sequence);
        if (answer.computed) this.#measure(slot, attempt, answer);
        this.settle(attempt, answer);
      }
    }
  }

  #measure({ worker, speeds }: WorkerSlot, { job, units }: CommandAttempt, { work }: Answer): void {
    if (job === undefined) return;
    speeds[job.kind].measure(units, 1000 * work);
    if (job.kind === 'evaluate') return;
    const shards = units * job.ledger.shardsPerUnit;
    this.workerSamples[worker] = (this.workerSamples[worker] ?? 0) + shards * this.#parts.shardSize;
  }

  /** Nothing of the attempt runs any more. Results that are still wanted are taken in, its other buffers are free. */
  settle(attempt: CommandAttempt, answer: Answer): void {
    const { command, job } = attempt;
    attempt.stopReading();
    attempt.release();
    if (answer.updated) attempt.blocksApplied();
    else attempt.giveBlocksBack();
    if (job === undefined) return;
    job.took(answer);
    const isWanted = answer.computed && job.accepts;
    if (answer.computed && job.kind !== 'evaluate') {
      this.shardCounts[isWanted ? 'done' : 'late'] += attempt.units * job.ledger.shardsPerUnit;
    }
    // Even if it isn't wanted: others may still be at their slices of the update, which read the regions of the whole team.
    const isKept = isWanted || (command.kind === 'step' && !job.closed);
    for (const target of command.targets) {
      if (isWanted) job.ledger.succeed(target.range, target);
      if (isKept) job.regions.push(target.region);
      else job.store.give(target.region);
    }
  }
}

function hasFinished({ queue, mailbox }: WorkerSlot): boolean {
  const first = queue[0];
  return first !== undefined && mailbox.hasFinished(first.sequence);
}
