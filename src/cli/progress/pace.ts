/** Steps and the time that they took, without what lies between them. */
export class Pace {
  steps = 0;
  seconds = 0;

  add(seconds: number): void {
    this.steps += 1;
    this.seconds += seconds;
  }

  reset(): void {
    this.steps = 0;
    this.seconds = 0;
  }

  /** Steps a second; NaN or infinite before the first step. */
  get speed(): number {
    return this.steps / this.seconds;
  }
}

/** Estimates the time to the end from that of the steps so far, evaluations and checkpoints included. */
export class TimeLeft {
  readonly #now: () => number;
  /** When the first step began: before that, a run may wait for nodes. */
  #started: number | undefined;
  #stepsSeen = 0;

  /** @param now milliseconds on a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param seconds the step's duration */
  countStep(seconds: number): void {
    this.#started ??= this.#now() - 1000 * seconds;
    this.#stepsSeen += 1;
  }

  /** Seconds for so many more steps; at least one has been counted. */
  of(steps: number): number {
    return ((this.#now() - (this.#started ?? 0)) / 1000 / this.#stepsSeen) * steps;
  }
}
