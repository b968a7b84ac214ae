import { DEPTH } from './mailbox.ts';

/** Twice as many steps as are under way at once: a step's words are used again only when all workers have left it. */
const RING_SLOTS = 2 * DEPTH;
const COMPUTED = 0;
const UPDATED = 1;
const WORDS = 2;

/** 32-bit words of the barriers. */
export const BARRIER_WORDS = RING_SLOTS * WORDS;

/** Most workers that wait for each other. */
export const MAX_WAITING = 0xfff;
const GENERATION_SHIFT = 12;
/** Generations are used again after this many steps: far more than a worker can be late by before its thread is ended. */
const GENERATIONS = 0x7ffff;
const CLOSED = 0;

/**
 * Where the workers of a step wait for each other: all have computed before one updates, all have updated before one begins
 * on the next step. Each word holds the step's generation and how many are missing, so that "all are here" and "nobody waits any
 * more" can't both happen.
 */
export class StepBarriers {
  readonly words: Int32Array;
  #generation = 0;

  constructor(words: Int32Array) {
    this.words = words;
  }

  // The pool's side.

  /** @returns the generation, above 0, of a step with so many workers, 1 to MAX_WAITING */
  open(workers: number): number {
    this.#generation = (this.#generation % GENERATIONS) + 1;
    for (const gate of [COMPUTED, UPDATED]) {
      Atomics.store(this.words, wordOf(this.#generation, gate), (this.#generation << GENERATION_SHIFT) | workers);
    }
    return this.#generation;
  }

  /** Sends those who wait away. @returns false if all had computed: they have gone on to the update */
  close(generation: number): boolean {
    const open = this.#close(generation, COMPUTED);
    this.#close(generation, UPDATED);
    return open;
  }

  #close(generation: number, gate: number): boolean {
    const at = wordOf(generation, gate);
    for (;;) {
      const word = Atomics.load(this.words, at);
      if (word >> GENERATION_SHIFT !== generation) return true;
      if ((word & MAX_WAITING) === 0) return false;
      if (Atomics.compareExchange(this.words, at, word, CLOSED) !== word) continue;
      Atomics.notify(this.words, at);
      return true;
    }
  }

  // The worker's side. Each wait polls for `spinMs` before it blocks, and tells whether all came; if not, it was closed.

  computed(generation: number, spinMs: number): boolean {
    this.#countIn(generation, COMPUTED);
    return this.#wait(generation, COMPUTED, spinMs);
  }

  updated(generation: number): void {
    this.#countIn(generation, UPDATED);
  }

  waitForUpdate(generation: number, spinMs: number): boolean {
    return this.#wait(generation, UPDATED, spinMs);
  }

  #countIn(generation: number, gate: number): void {
    const at = wordOf(generation, gate);
    for (;;) {
      const word = Atomics.load(this.words, at);
      if (word >> GENERATION_SHIFT !== generation) return;
      if (Atomics.compareExchange(this.words, at, word, word - 1) !== word) continue;
      if (((word - 1) & MAX_WAITING) === 0) Atomics.notify(this.words, at);
      return;
    }
  }

  #wait(generation: number, gate: number, spinMs: number): boolean {
    const at = wordOf(generation, gate);
    const complete = generation << GENERATION_SHIFT;
    const deadline = performance.now() + spinMs;
    let word = Atomics.load(this.words, at);
    while (word >> GENERATION_SHIFT === generation && word !== complete) {
      // The timeout changes nothing; no wait is for ever.
      if (performance.now() >= deadline) Atomics.wait(this.words, at, word, 1000);
      word = Atomics.load(this.words, at);
    }
    return word === complete;
  }
}

function wordOf(generation: number, gate: number): number {
  return WORDS * (generation % RING_SLOTS) + gate;
}
