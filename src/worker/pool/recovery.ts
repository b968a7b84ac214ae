import { HUNG_FACTOR, HUNG_MINIMUM_MS, POOL_POLICY, UPDATE_HUNG_MS } from '../../shared/scheduler/policy.ts';
import type { Watchdog } from '../../shared/scheduler/watchdog.ts';
import type { WorkerError } from '../../shared/util/errors.ts';
import type { StepBarriers } from './barrier.ts';
import type { CommandAttempt } from './command-attempt.ts';
import type { CompletionSignal } from './completion-signal.ts';
import { type Command, NOTHING_DONE } from './mailbox.ts';
import type { OpenSteps } from './open-steps.ts';
import type { Settlement } from './settlement.ts';
import type { WorkerSlot, WorkerThreads } from './worker-threads.ts';

export interface RecoveryParts {
  readonly threads: WorkerThreads;
  readonly signal: CompletionSignal;
  readonly barriers: StepBarriers;
  readonly steps: OpenSteps;
  readonly settlement: Settlement;
  readonly watchdog: Watchdog;
  /** The error that ends the run after a shard, chunk or block has failed too often. */
  readonly retriesExhausted: (command: Command, unit: number, cause: Error) => WorkerError;
}

/** Gives the work of slow and lost workers back, so that others are given it. */
export class Recovery {
  /** Threads that died. */
  workersLost = 0;
  /** What ends the pool. */
  fatal: Error | undefined;
  readonly #parts: RecoveryParts;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** Gives up waiting for slow workers, and ends those that hang. */
  giveUpSlow(): void {
    const { threads, watchdog } = this.#parts;
    const now = watchdog.now();
    for (const slot of threads.slots) {
      const attempt = slot.queue[0];
      if (attempt === undefined) continue;
      const limitMs = attempt.limitMs(attempt.job && slot.speeds[attempt.job.kind], POOL_POLICY, attempt.job?.steps);
      const elapsedMs = now - attempt.startedAt;
      if (elapsedMs <= limitMs) continue;
      if (attempt.isGivenUp) {
        if (elapsedMs > Math.max(HUNG_MINIMUM_MS, HUNG_FACTOR * limitMs)) void threads.terminate(slot);
      } else if (this.#isAtUpdate(attempt.command)) {
        // Others can't take it over: what it still writes would reach a later state.
        if (elapsedMs > limitMs + UPDATE_HUNG_MS) void threads.terminate(slot);
      } else {
        this.#giveUp(slot, attempt);
      }
    }
  }

  /** A worker's thread has died: what it was given is assigned anew, and counts as failed if the worker had begun on it. */
  lost(slot: WorkerSlot, cause: Error): void {
    const { settlement, steps, signal } = this.#parts;
    // What it finished before counts.
    settlement.settleFinished();
    steps.breakOff();
    const lost = slot.queue.splice(0);
    // What is queued behind the first command had not begun, so it can't be at fault.
    if (lost[0] !== undefined) this.#fail(lost[0], cause);
    for (const attempt of lost) {
      settlement.settle(attempt, NOTHING_DONE);
      signal.count();
    }
    this.workersLost++;
    signal.signal();
  }

  /** Whether the command has come to its update; if not, it never will. */
  #isAtUpdate({ kind, generation }: Command): boolean {
    if (kind !== 'step') return kind === 'update';
    const isAtUpdate = !this.#parts.barriers.close(generation);
    this.#parts.steps.breakOff();
    return isAtUpdate;
  }

  /** Lets others have what the worker is at, and what is queued behind it. */
  #giveUp({ queue }: WorkerSlot, attempt: CommandAttempt): void {
    attempt.giveUp();
    attempt.giveBlocksBack();
    for (const behind of queue.slice(1)) {
      // Its barriers are closed, so it will do nothing.
      behind.release();
      behind.giveBlocksBack();
      behind.stopReading();
    }
  }

  #fail(attempt: CommandAttempt, cause: Error): void {
    const { command, job, ranges, units } = attempt;
    if (job !== undefined && job.kind !== 'evaluate')
      this.#parts.settlement.shardCounts.lost += units * job.ledger.shardsPerUnit;
    const unit = job?.closed === false ? job.ledger.fail(ranges) : attempt.failUpdate();
    if (unit !== undefined) this.fatal = this.#parts.retriesExhausted(command, unit, cause);
  }
}
