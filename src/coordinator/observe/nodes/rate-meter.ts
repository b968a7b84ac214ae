/** Seconds over which rates are averaged. */
const SECONDS = 5;

/** A rate per second over the last seconds. */
export class RateMeter {
  #marks: { at: number; total: number }[];
  #total: number;

  /** @param total what was counted before */
  constructor(total = 0) {
    this.#total = total;
    this.#marks = [{ at: performance.now(), total }];
  }

  count(more: number): void {
    this.#total += more;
  }

  /** Counts up to a total. */
  reached(total: number): void {
    this.#total = total;
  }

  /** The rate now; each call also marks the current count. */
  get perSecond(): number {
    const now = performance.now();
    this.#marks.push({ at: now, total: this.#total });
    while (this.#marks.length > 2 && now - (this.#marks[1]?.at ?? now) >= 1000 * SECONDS) this.#marks.shift();
    const first = this.#marks[0] as { at: number; total: number };
    return now > first.at ? (1000 * (this.#total - first.total)) / (now - first.at) : 0;
  }
}
