import { RunningClock } from './clock.ts';
import { WATCHDOG_MS } from './policy.ts';

/** Has open work looked at every WATCHDOG_MS, and measures the time for which it has been open. */
export class Watchdog {
  readonly #clock: RunningClock;
  readonly #timer: NodeJS.Timeout;

  /** @param clock milliseconds, monotonic; replaced by tests */
  constructor(onTick: () => void, clock?: () => number) {
    // A busy event loop is late by a tick or so; whatever is longer is taken for a suspended process.
    this.#clock = new RunningClock(2 * WATCHDOG_MS, clock);
    this.#timer = setInterval(() => {
      this.#clock.now();
      onTick();
    }, WATCHDOG_MS).unref();
  }

  /** Milliseconds for which this process has run: time for which it was suspended or stopped doesn't count. */
  now(): number {
    return this.#clock.now();
  }

  /** From now on the process stays alive, though it may wait for nothing but other threads. */
  keepAlive(): void {
    this.#timer.ref();
  }

  letEnd(): void {
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
