/** Adds up the time of many short spans. */
export class Stopwatch {
  #milliseconds = 0;
  #start = 0;

  start(): void {
    this.#start = performance.now();
  }

  stop(): void {
    this.#milliseconds += performance.now() - this.#start;
  }

  /** @returns the seconds since the last call */
  take(): number {
    const seconds = this.#milliseconds / 1000;
    this.#milliseconds = 0;
    return seconds;
  }
}
