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
  readonly #started: number;
  #stepsSeen = 0;

  /** Counts from here on: create it just before the first step. */
  constructor(now: () => number) {
    this.#now = now;
    this.#started = now();
  }

  countStep(): void {
    this.#stepsSeen += 1;
  }

  /** Seconds for so many more steps; at least one has been counted. */
  of(steps: number): number {
    return ((this.#now() - this.#started) / 1000 / this.#stepsSeen) * steps;
  }
}
