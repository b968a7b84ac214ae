import { setImmediate } from 'node:timers/promises';
import type { Watchdog } from '../../shared/scheduler/watchdog.ts';
import type { CompletionSignal } from './completion-signal.ts';
import type { OpenSteps } from './open-steps.ts';
import type { Recovery } from './recovery.ts';
import type { Settlement } from './settlement.ts';
import type { WorkerThreads } from './worker-threads.ts';

/** Longest time between two turns of the event loop, in milliseconds: what a metrics request or a signal may wait. */
const EVENT_LOOP_TURN_MS = 5;

export interface WaitLoopParts {
  readonly threads: WorkerThreads;
  readonly signal: CompletionSignal;
  readonly steps: OpenSteps;
  readonly settlement: Settlement;
  readonly recovery: Recovery;
  readonly watchdog: Watchdog;
}

/**
 * Waits for workers in the pool's thread. Each turn takes in what has finished, gives up what is slow, assigns what is
 * missing and then waits for news, while the event loop serves timers, sockets and signals.
 */
export class WaitLoop {
  readonly #parts: WaitLoopParts;
  #lastTurn = 0;

  constructor(parts: WaitLoopParts) {
    this.#parts = parts;
  }

  /** @throws whatever ends the pool */
  async until(done: () => boolean, assign: () => void): Promise<void> {
    const { threads, signal, settlement, recovery, watchdog } = this.#parts;
    if (threads.isIdle) signal.reset();
    watchdog.keepAlive();
    try {
      for (;;) {
        const { read } = signal;
        settlement.settleFinished();
        threads.reportReady();
        if (recovery.fatal !== undefined) throw recovery.fatal;
        if (done()) break;
        recovery.giveUpSlow();
        assign();
        await this.#wait(read);
      }
      await this.#yieldToEventLoop();
    } finally {
      watchdog.letEnd();
    }
  }

  /** Waits for news. It returns at once only if there are some, which the next turn takes in. */
  async #wait(read: number): Promise<void> {
    const { threads, signal, steps, settlement } = this.#parts;
    const hasWaited = await signal.wait({
      read,
      // Those that were given up may finish whenever they like.
      wakeThreshold: steps.commandsAhead + threads.commandsGivenUp,
      hasNews: () => settlement.isDue,
    });
    if (hasWaited) this.#lastTurn = performance.now();
    else await this.#yieldToEventLoop();
  }

  /** Lets the event loop turn now and then: if there is always news, it doesn't by itself. */
  async #yieldToEventLoop(): Promise<void> {
    if (performance.now() - this.#lastTurn < EVENT_LOOP_TURN_MS) return;
    await setImmediate();
    this.#lastTurn = performance.now();
  }
}
