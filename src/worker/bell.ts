const UNDER_WAY = 0;
const QUORUM = 1;
const BELL = 2;
/** Of the quorum: the pool's thread doesn't wait. */
const NEVER = -1;

/** 32-bit words of a bell. */
export const BELL_WORDS = 3;

/**
 * Wakes the pool's thread once few enough commands are under way, not at each that finishes: a wake-up costs tens of
 * microseconds, and where threads outnumber the processors, a worker its place.
 */
export class Bell {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** No command is under way. A worker that is just about to count makes a ring too early, never too late. */
  reset(): void {
    Atomics.store(this.words, UNDER_WAY, 0);
  }

  /** One more command is under way. */
  arm(): void {
    Atomics.add(this.words, UNDER_WAY, 1);
  }

  /** A command has finished, or is no longer waited for. */
  count(): void {
    if (Atomics.sub(this.words, UNDER_WAY, 1) - 1 <= Atomics.load(this.words, QUORUM)) this.ring();
  }

  ring(): void {
    Atomics.add(this.words, BELL, 1);
    Atomics.notify(this.words, BELL);
  }

  /** To be read before looking at what might have happened, then given to `wait`. */
  get heard(): number {
    return Atomics.load(this.words, BELL);
  }

  /**
   * Resolves when at most `quorum` commands are under way, or the bell has rung since `heard`. Blocks the event loop for up to
   * `blockMs`, since being called back by it costs more than a short wait; then something else must keep the loop alive.
   */
  async wait(heard: number, quorum: number, blockMs: number): Promise<void> {
    Atomics.store(this.words, QUORUM, quorum);
    if (Atomics.load(this.words, UNDER_WAY) > quorum) await this.#sleep(heard, blockMs);
    Atomics.store(this.words, QUORUM, NEVER);
  }

  async #sleep(heard: number, blockMs: number): Promise<void> {
    if (Atomics.wait(this.words, BELL, heard, blockMs) !== 'timed-out') return;
    const waiting = Atomics.waitAsync(this.words, BELL, heard, 10_000);
    if (waiting.async) await waiting.value;
  }
}
