import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Between two looks at the clock. */
const RESOLUTION_MS = 10;

/** By how much this thread's event loop is late. */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #last = 0;

  constructor() {
    this.#histogram.enable();
  }

  /** Mean in seconds since the last call; that one's where nothing was measured since. */
  take(): number {
    const { mean } = this.#histogram;
    if (Number.isNaN(mean)) return this.#last;
    this.#histogram.reset();
    // What is measured is the time between two looks.
    this.#last = Math.max(0, mean / 1e9 - RESOLUTION_MS / 1000);
    return this.#last;
  }

  close(): void {
    this.#histogram.disable();
  }
}
