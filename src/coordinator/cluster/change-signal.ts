/** Says that something has changed, to one who waits for it. Changes between a look and the wait aren't lost. */
export class ChangeSignal {
  #changes = 0;
  #wake = (): void => {};

  signal(): void {
    this.#changes++;
    this.#wake();
  }

  /** To be read before looking at what might have changed, then given to `wait`. */
  get read(): number {
    return this.#changes;
  }

  /** Resolves at once if something has changed since `read`, else when it does, or after `milliseconds`, at least 1. */
  async wait(read: number, milliseconds: number): Promise<void> {
    if (this.#changes !== read) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, milliseconds));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
