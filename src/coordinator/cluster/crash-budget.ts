/** Failures and lost connections that a node may have, and the assignments that make up for one. */
const MAX_CRASHES = 10;
const ASSIGNMENTS_PER_CRASH = 100;

/** How often a node may still fail: work that it does earns it back, so that a node that is mostly well may stay for days. */
export class CrashBudget {
  #left = MAX_CRASHES;

  /** It failed at an assignment, or was lost. */
  spend(): void {
    this.#left = Math.max(0, this.#left - 1);
  }

  /** It did an assignment. */
  earn(): void {
    this.#left = Math.min(MAX_CRASHES, this.#left + 1 / ASSIGNMENTS_PER_CRASH);
  }

  get isSpent(): boolean {
    return this.#left < 1;
  }
}
