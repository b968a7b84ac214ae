/** Of one size; more are left to the garbage collector. */
const MAX_BUFFERS = 8;
/** Smaller ones come in many sizes, and cost nothing. */
const LEAST_BYTES = 65_536;

/**
 * Memory for large frames, used again once a frame is sent. What is allocated anew for each step makes the engine collect all
 * garbage several times a second, which holds up a coordinator and its nodes for a tenth of their time.
 */
export class FrameBuffers {
  readonly #free = new Map<number, Buffer[]>();

  take(bytes: number): Buffer {
    return this.#free.get(bytes)?.pop() ?? Buffer.allocUnsafe(bytes);
  }

  /** Nobody reads it any more. One that isn't given back is collected as any other. */
  give(buffer: Buffer): void {
    if (buffer.length < LEAST_BYTES) return;
    const free = this.#free.get(buffer.length) ?? [];
    if (free.length < MAX_BUFFERS) free.push(buffer);
    this.#free.set(buffer.length, free);
  }
}
