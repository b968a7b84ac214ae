/** Milliseconds by which timestamps may run ahead of time. A time series database refuses what is far ahead, Prometheus ten minutes. */
const MAX_AHEAD_MS = 60_000;

/**
 * Timestamps of steps. They rise by at least 1 ms from one step to the next, because a time series database keeps one value for each
 * timestamp. If the clock was set back, or steps take less than 1 ms, they continue from the last one until the clock is past it. Only
 * if that took them MAX_AHEAD_MS ahead, a step may have the timestamp of the one before.
 */
export class StepClock {
  readonly #now: () => number;
  readonly #ticks: () => number;
  /** The last timestamp given, and when by `#ticks`. */
  #last: number;
  #lastTicks: number;
  /** Milliseconds by which timestamps have risen faster than time passed; undefined before the first one. */
  #ahead: number | undefined;

  /**
   * @param now Unix milliseconds, by a clock that may be set back
   * @param last the latest timestamp given before, Unix milliseconds; undefined if there is none
   * @param ticks milliseconds, by a clock that nobody sets
   */
  constructor(now: () => number, last: number | undefined, ticks = (): number => performance.now()) {
    this.#now = now;
    this.#ticks = ticks;
    this.#last = last ?? Number.NEGATIVE_INFINITY;
    this.#lastTicks = ticks();
  }

  /** Unix milliseconds, an integer. @param agoMs how long ago the step was */
  next(agoMs = 0): number {
    const [now, ticks] = [Math.floor(this.#now() - agoMs), this.#ticks()];
    const before = this.#ahead ?? this.#aheadOf(now);
    this.#ahead = Math.max(0, before - (ticks - this.#lastTicks));
    this.#lastTicks = ticks;
    if (now > this.#last) {
      this.#last = now;
      this.#ahead = 0;
    } else if (this.#ahead < MAX_AHEAD_MS) {
      this.#last++;
      this.#ahead++;
    }
    return this.#last;
  }

  /** Milliseconds by which an earlier attempt's steps ran ahead of time. More than they may means that the clock was set back. */
  #aheadOf(now: number): number {
    const ahead = this.#last - now;
    return ahead > MAX_AHEAD_MS ? 0 : ahead;
  }
}
