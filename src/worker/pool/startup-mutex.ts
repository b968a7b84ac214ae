import { RunningClock } from '../../shared/scheduler/clock.ts';

/** Longest that one thread may take to start, in milliseconds: loading native TensorFlow takes a few seconds. */
const TIMEOUT_MS = 60_000;
/** Milliseconds between two looks at the clock: time for which the process was suspended doesn't count. */
const LOOK_MS = 1000;
const FREE = 0;

/** One thread at a time: a lock word in shared memory that names its owner. If the owner's thread dies, somebody else releases it. */
export class StartupMutex {
  readonly words: Int32Array;
  readonly #timeoutMs: number;

  constructor(words: Int32Array, timeoutMs = TIMEOUT_MS) {
    this.words = words;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Blocks this thread until it owns the mutex.
   * @param owner its own number, not 0
   * @throws Error if another one owns it for too long
   */
  take(owner: number): void {
    const clock = new RunningClock(2 * LOOK_MS);
    let before = FREE;
    let deadline = 0;
    for (;;) {
      const holder = Atomics.compareExchange(this.words, 0, FREE, owner);
      if (holder === FREE) return;
      const now = clock.now();
      if (holder !== before) deadline = now + this.#timeoutMs;
      before = holder;
      if (now >= deadline) throw new Error(`Another thread hasn't finished its start in ${this.#timeoutMs / 1000} s.`);
      Atomics.wait(this.words, 0, holder, Math.min(LOOK_MS, deadline - now));
    }
  }

  /** Does nothing if `owner` isn't the owner. */
  release(owner: number): void {
    if (Atomics.compareExchange(this.words, 0, owner, FREE) === owner) Atomics.notify(this.words, 0);
  }
}
