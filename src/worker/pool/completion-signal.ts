const UNDER_WAY = 0;
const WAKE_THRESHOLD = 1;
const SIGNAL = 2;
/** Of the quorum: the pool's thread doesn't wait. */
const NEVER = -1;

/** 32-bit words of a bell. */
export const COMPLETION_SIGNAL_WORDS = 3;

/**
 * Wakes the pool's thread once few enough commands are under way, not at each that finishes: a wake-up costs tens of
 * microseconds, and where threads outnumber the processors, a worker its place.
 */
export class CompletionSignal {
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
    if (Atomics.sub(this.words, UNDER_WAY, 1) - 1 <= Atomics.load(this.words, WAKE_THRESHOLD)) this.signal();
  }

  signal(): void {
    Atomics.add(this.words, SIGNAL, 1);
    Atomics.notify(this.words, SIGNAL);
  }

  /** To be read before looking at what might have happened, then given to `wait`. */
  get read(): number {
    return Atomics.load(this.words, SIGNAL);
  }

  /**
   * Resolves when at most `quorum` commands are under way, or the bell has rung since `heard`. Something else must keep the event loop alive meanwhile.
   * @returns whether it has waited: then the event loop has turned
   */
  async wait(read: number, wakeThreshold: number): Promise<boolean> {
    Atomics.store(this.words, WAKE_THRESHOLD, wakeThreshold);
    const waiting =
      Atomics.load(this.words, UNDER_WAY) > wakeThreshold ? Atomics.waitAsync(this.words, SIGNAL, read) : undefined;
    const waits = waiting?.async === true;
    if (waits) await waiting.value;
    Atomics.store(this.words, WAKE_THRESHOLD, NEVER);
    return waits;
  }
}
