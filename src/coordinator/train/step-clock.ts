/**
 * Timestamps of steps. They rise by at least 1 ms from one to the next, since a store of time series keeps one value for each: where
 * the clock was set back, or steps are faster than milliseconds, they go on from the last one until the clock is past it.
 */
export class StepClock {
  readonly #now: () => number;
  /** The last timestamp given. */
  #last: number;

  /**
   * @param now Unix milliseconds, by a clock that anybody may set
   * @param last the latest timestamp given before, Unix milliseconds; undefined: none
   */
  constructor(now: () => number, last: number | undefined) {
    this.#now = now;
    this.#last = last ?? Number.NEGATIVE_INFINITY;
  }

  /** Unix milliseconds, an integer. */
  next(): number {
    this.#last = Math.max(Math.floor(this.#now()), this.#last + 1);
    return this.#last;
  }
}
