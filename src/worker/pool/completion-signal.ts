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
   * Resolves when at most `quorum` commands are under way, or the bell has rung since `heard`. Something else must keep the event loop alive meanwhile.
   * @returns whether it has waited: then the event loop has turned
   */
  async wait(heard: number, quorum: number): Promise<boolean> {
    Atomics.store(this.words, QUORUM, quorum);
    const waiting =
      Atomics.load(this.words, UNDER_WAY) > quorum ? Atomics.waitAsync(this.words, BELL, heard) : undefined;
    const waits = waiting?.async === true;
    if (waits) await waiting.value;
    Atomics.store(this.words, QUORUM, NEVER);
    return waits;
  }
}
