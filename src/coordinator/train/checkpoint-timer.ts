const MS_PER_MINUTE = 60_000;

/** Says when a checkpoint is due by time, after whatever checkpoint was taken last. */
export class CheckpointTimer {
  readonly #ms: number;
  readonly #now: () => number;
  #since: number;

  /**
   * @param minutes 0: none is due by time
   * @param now a clock that nobody sets, in milliseconds
   */
  constructor(minutes: number, now: () => number = () => performance.now()) {
    this.#ms = minutes * MS_PER_MINUTE;
    this.#now = now;
    this.#since = now();
  }

  get isDue(): boolean {
    return this.#ms > 0 && this.#now() - this.#since >= this.#ms;
  }

  /** A checkpoint was taken. */
  restart(): void {
    this.#since = this.#now();
  }
}
