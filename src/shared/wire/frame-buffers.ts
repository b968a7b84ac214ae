/** Free buffers of one size that are kept; more are left to the garbage collector. */
const MAX_BUFFERS = 8;
/** Sizes of which buffers are kept: a process may run jobs of many models. */
const MAX_SIZES = 16;
/** Smaller buffers come in many sizes, and cost nothing. */
const LEAST_BYTES = 65_536;

/**
 * Memory for large frames, used again after a frame is sent. Memory that is allocated for each step makes the engine collect all
 * garbage several times a second, which takes a coordinator and its nodes a tenth of their time.
 */
export class FrameBuffers {
  readonly #free = new Map<number, Buffer[]>();

  take(bytes: number): Buffer {
    return this.#free.get(bytes)?.pop() ?? Buffer.allocUnsafe(bytes);
  }

  /** Takes back a buffer that nobody reads any more. A buffer that isn't given back is collected as any other. */
  give(buffer: Buffer): void {
    if (buffer.length < LEAST_BYTES) return;
    if (this.#free.size >= MAX_SIZES && !this.#free.has(buffer.length)) this.#free.clear();
    const free = this.#free.get(buffer.length) ?? [];
    if (free.length < MAX_BUFFERS) free.push(buffer);
    this.#free.set(buffer.length, free);
  }
}
