/**
 * Timestamps of steps. They rise by at least 1 ms from one step to the next, because a time series database keeps one value for each
 * timestamp. If the clock was set back, or steps take less than 1 ms, they continue from the last one until the clock is past it.
 */
export class StepClock {
  readonly #now: () => number;
  /** The last timestamp given. */
  #last: number;

  /**
   * @param now Unix milliseconds, by a clock that may be set back
   * @param last the latest timestamp given before, Unix milliseconds; undefined if there is none
   */
  constructor(now: () => number, last: number | undefined) {
    this.#now = now;
    this.#last = last ?? Number.NEGATIVE_INFINITY;
  }

  /** Unix milliseconds, an integer. @param agoMs how long ago the step was */
  next(agoMs = 0): number {
    this.#last = Math.max(Math.floor(this.#now() - agoMs), this.#last + 1);
    return this.#last;
  }
}
