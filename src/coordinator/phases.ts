import type { StepTimings } from './observer.ts';

/** Times the phases of a step, one after the other. */
export class PhaseClock {
  readonly #start = performance.now();
  readonly #phases: Record<string, number> = {};
  #last = this.#start;

  /** The phase that began with the last call, or the step, ends now. */
  end(phase: string): void {
    const now = performance.now();
    this.#phases[phase] = (now - this.#last) / 1000;
    this.#last = now;
  }

  timings(): StepTimings {
    return { total: (this.#last - this.#start) / 1000, phases: this.#phases };
  }
}
