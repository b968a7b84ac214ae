/** Longest that one thread may take to start. */
const TIMEOUT_MS = 60_000;
const FREE = 0;

/**
 * One thread at a time: a lock word in shared memory that names its holder. Where the holder's thread dies, somebody else has
 * to release it.
 */
export class StartupMutex {
  readonly words: Int32Array;
  readonly #timeoutMs: number;

  constructor(words: Int32Array, timeoutMs = TIMEOUT_MS) {
    this.words = words;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Blocks this thread until it is its turn.
   * @param owner its own, not 0
   * @throws Error where another one holds it for too long
   */
  take(owner: number): void {
    let before = FREE;
    let deadline = 0;
    for (;;) {
      const holder = Atomics.compareExchange(this.words, 0, FREE, owner);
      if (holder === FREE) return;
      if (holder !== before) deadline = performance.now() + this.#timeoutMs;
      before = holder;
      const left = deadline - performance.now();
      if (left <= 0) throw new Error(`Another thread hasn't finished its start in ${this.#timeoutMs / 1000} s.`);
      Atomics.wait(this.words, 0, holder, left);
    }
  }

  /** Does nothing where the ticket isn't the holder's. */
  release(owner: number): void {
    if (Atomics.compareExchange(this.words, 0, owner, FREE) === owner) Atomics.notify(this.words, 0);
  }
}
