/**
 * Milliseconds for which this process has run. What passes between two looks at the clock counts for at most `maxGapMs`: if
 * the clock has jumped further, the process was suspended or stopped, and nobody else in it has run either. Whoever uses it
 * has to look often.
 */
export class RunningClock {
  readonly #maxGapMs: number;
  readonly #clock: () => number;
  #lookedAt: number;
  #running = 0;

  /** @param clock milliseconds, monotonic */
  constructor(maxGapMs: number, clock: () => number = () => performance.now()) {
    this.#maxGapMs = maxGapMs;
    this.#clock = clock;
    this.#lookedAt = clock();
  }

  now(): number {
    const time = this.#clock();
    this.#running += Math.min(this.#maxGapMs, time - this.#lookedAt);
    this.#lookedAt = time;
    return this.#running;
  }
}
