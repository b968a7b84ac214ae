import { DEPTH } from './mailbox.ts';

/** Twice as many steps as are under way at once: a step's words are used again only when all workers have left it. */
const LANES = 2 * DEPTH;
const COMPUTED = 0;
const UPDATED = 1;
const WORDS = 2;

/** 32-bit words of the barriers. */
export const BARRIER_WORDS = LANES * WORDS;

/** Most workers that wait for each other. */
export const MAXIMUM_WAITING = 0xfff;
const TICKET_SHIFT = 12;
/** Tickets come round after this many steps: far more than a worker can be late by before its thread is ended. */
const TICKETS = 0x7ffff;
const CLOSED = 0;

/**
 * Where the workers of a step wait for each other: all have computed before one updates, all have updated before one begins
 * on the next step. Each word holds the step's ticket and how many are missing, so that "all are here" and "nobody waits any
 * more" can't both happen.
 */
export class StepBarriers {
  readonly words: Int32Array;
  #ticket = 0;

  constructor(words: Int32Array) {
    this.words = words;
  }

  // The pool's side.

  /** @returns the ticket, above 0, of a step with so many workers, 1 to MAXIMUM_WAITING */
  open(workers: number): number {
    this.#ticket = (this.#ticket % TICKETS) + 1;
    for (const gate of [COMPUTED, UPDATED]) {
      Atomics.store(this.words, wordOf(this.#ticket, gate), (this.#ticket << TICKET_SHIFT) | workers);
    }
    return this.#ticket;
  }

  /** Sends those who wait away. @returns false where all had computed: they have gone on to the update */
  close(ticket: number): boolean {
    const open = this.#close(ticket, COMPUTED);
    this.#close(ticket, UPDATED);
    return open;
  }

  #close(ticket: number, gate: number): boolean {
    const at = wordOf(ticket, gate);
    for (;;) {
      const word = Atomics.load(this.words, at);
      if (word >> TICKET_SHIFT !== ticket) return true;
      if ((word & MAXIMUM_WAITING) === 0) return false;
      if (Atomics.compareExchange(this.words, at, word, CLOSED) !== word) continue;
      Atomics.notify(this.words, at);
      return true;
    }
  }

  // The worker's side. Each wait polls for `spinMs` before it blocks, and tells whether all came; if not, it was closed.

  computed(ticket: number, spinMs: number): boolean {
    this.#countIn(ticket, COMPUTED);
    return this.#wait(ticket, COMPUTED, spinMs);
  }

  updated(ticket: number): void {
    this.#countIn(ticket, UPDATED);
  }

  waitForUpdate(ticket: number, spinMs: number): boolean {
    return this.#wait(ticket, UPDATED, spinMs);
  }

  #countIn(ticket: number, gate: number): void {
    const at = wordOf(ticket, gate);
    for (;;) {
      const word = Atomics.load(this.words, at);
      if (word >> TICKET_SHIFT !== ticket) return;
      if (Atomics.compareExchange(this.words, at, word, word - 1) !== word) continue;
      if (((word - 1) & MAXIMUM_WAITING) === 0) Atomics.notify(this.words, at);
      return;
    }
  }

  #wait(ticket: number, gate: number, spinMs: number): boolean {
    const at = wordOf(ticket, gate);
    const complete = ticket << TICKET_SHIFT;
    const patience = performance.now() + spinMs;
    let word = Atomics.load(this.words, at);
    while (word >> TICKET_SHIFT === ticket && word !== complete) {
      // The deadline changes nothing but that no wait is forever.
      if (performance.now() >= patience) Atomics.wait(this.words, at, word, 1000);
      word = Atomics.load(this.words, at);
    }
    return word === complete;
  }
}

function wordOf(ticket: number, gate: number): number {
  return WORDS * (ticket % LANES) + gate;
}
