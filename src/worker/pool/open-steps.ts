import type { StepBarriers } from './barrier.ts';
import type { StepJob } from './job.ts';

/** The steps that were begun and aren't finished, in their order. */
export class OpenSteps {
  readonly #steps: StepJob[] = [];
  readonly #barriers: StepBarriers;

  constructor(barriers: StepBarriers) {
    this.#barriers = barriers;
  }

  get count(): number {
    return this.#steps.length;
  }

  get last(): StepJob | undefined {
    return this.#steps.at(-1);
  }

  add(step: StepJob): void {
    this.#steps.push(step);
  }

  /** The first step is finished. */
  removeFirst(): void {
    this.#steps.shift();
  }

  /** Calls `start` for each step that no worker was given in one go, with the step before it. */
  startRest(start: (step: StepJob, before: StepJob | undefined) => void): void {
    for (const [i, step] of this.#steps.entries()) if (step.team === 0) start(step, this.#steps[i - 1]);
  }

  /** Workers wait for each other at no barrier any more: what isn't computed or updated by then is assigned anew. */
  breakOff(): void {
    for (const step of this.#steps) {
      if (step.generation !== 0) this.#barriers.close(step.generation);
      step.generation = 0;
    }
  }

  /** Commands that may be unfinished when the pool is woken: those of the later half of the steps behind the first one. */
  get commandsAhead(): number {
    const behind = this.#steps.slice(1).filter(({ generation }) => generation !== 0);
    return behind.slice(behind.length >> 1).reduce((sum, { team }) => sum + team, 0);
  }
}
