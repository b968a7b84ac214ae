const UNFINISHED = 0;
const WAKE_THRESHOLD = 1;
const SIGNAL = 2;
/** A wake threshold that is never reached: the pool's thread doesn't wait. */
const NEVER = -1;

/** 32-bit words of a completion signal. */
export const COMPLETION_SIGNAL_WORDS = 3;

export interface Wait {
  /** The signal as it was before the caller looked at what might have happened. */
  readonly read: number;
  /** Unfinished commands with which the caller is woken. */
  readonly wakeThreshold: number;
  /** Whether a command has finished that the caller hasn't seen. */
  readonly hasNews: () => boolean;
}

/**
 * Wakes the pool's thread if few enough commands are unfinished, not at each that finishes: a wake-up costs tens of
 * microseconds and, if threads outnumber the processors, a worker its processor.
 */
export class CompletionSignal {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** No command is unfinished. A worker that is just about to count wakes the pool too early, never too late. */
  reset(): void {
    Atomics.store(this.words, UNFINISHED, 0);
  }

  /** A command is about to be sent. */
  arm(): void {
    Atomics.add(this.words, UNFINISHED, 1);
  }

  /** A command has finished, or was lost with its thread. */
  count(): void {
    if (Atomics.sub(this.words, UNFINISHED, 1) - 1 <= Atomics.load(this.words, WAKE_THRESHOLD)) this.signal();
  }

  signal(): void {
    Atomics.add(this.words, SIGNAL, 1);
    Atomics.notify(this.words, SIGNAL);
  }

  get read(): number {
    return Atomics.load(this.words, SIGNAL);
  }

  /**
   * Resolves if at most `wakeThreshold` commands are unfinished and one of them is news, or `signal` was called since `read`.
   * Without news it waits, even if few commands are unfinished: the caller would only find what it has found before.
   * Something else must keep the event loop alive meanwhile.
   * @returns whether it has waited: then the event loop has turned
   */
  async wait({ read, wakeThreshold, hasNews }: Wait): Promise<boolean> {
    // Whoever finishes from here on sees the threshold, so nothing is missed between these looks and the wait.
    Atomics.store(this.words, WAKE_THRESHOLD, wakeThreshold);
    const isDue = Atomics.load(this.words, UNFINISHED) <= wakeThreshold && hasNews();
    const waiting = isDue ? undefined : Atomics.waitAsync(this.words, SIGNAL, read);
    const waits = waiting?.async === true;
    if (waits) await waiting.value;
    Atomics.store(this.words, WAKE_THRESHOLD, NEVER);
    return waits;
  }
}
