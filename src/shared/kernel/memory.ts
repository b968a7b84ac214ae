const PAGE = 65_536;
/** 2 GiB: a ceiling for address space; only pages that were written take memory. */
const MAXIMUM_PAGES = 32_768;
/** A cache line, so that threads don't share one by accident. */
const ALIGNMENT = 64;

/**
 * The process's one shared WebAssembly memory: data set, weights, partials and every worker's scratch. Only the main thread
 * allocates; other threads are handed pointers (byte offsets). Nothing is freed: a run allocates what it needs at its start.
 */
export class SharedMemory {
  readonly memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 1, maximum: MAXIMUM_PAGES, shared: true });
  // Pointer 0 stays unused, so that a zero in a table or command is a mistake that shows.
  #next = ALIGNMENT;
  #sealed = false;
  /** Every object that has stood for the memory: growing makes a new one. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();

  /** Ends allocation: a thread that holds the memory need not see it grow. */
  seal(): void {
    this.#sealed = true;
  }

  /** @returns the pointer to `bytes` zeroed bytes */
  allocate(bytes: number): number {
    if (this.#sealed) throw new Error('Shared memory must be allocated before the threads start.');
    const pointer = this.#next;
    this.#next = Math.ceil((pointer + bytes) / ALIGNMENT) * ALIGNMENT;
    const missing = Math.ceil((this.#next - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) this.memory.grow(missing);
    return pointer;
  }

  // Each allocates before it reads `buffer`: growing replaces that object, and an older one ends too early.

  bytes(length: number): Uint8Array {
    const pointer = this.allocate(length);
    return new Uint8Array(this.#buffer(), pointer, length);
  }

  int32(length: number): Int32Array {
    const pointer = this.allocate(4 * length);
    return new Int32Array(this.#buffer(), pointer, length);
  }

  float32(length: number): Float32Array {
    const pointer = this.allocate(4 * length);
    return new Float32Array(this.#buffer(), pointer, length);
  }

  float64(length: number): Float64Array {
    const pointer = this.allocate(8 * length);
    return new Float64Array(this.#buffer(), pointer, length);
  }

  /** A vector of parameters; behind it lie zeros up to a whole register, which the kernel's elementwise functions touch. */
  parameters(length: number): Float32Array {
    return this.float32(padded(length)).subarray(0, length);
  }

  /** `bytes` itself where it lies in this memory, else a copy that does. */
  hold(bytes: Uint8Array): Uint8Array {
    if (this.#buffers.has(bytes.buffer)) return bytes;
    const held = this.bytes(bytes.length);
    held.set(bytes);
    return held;
  }

  #buffer(): SharedArrayBuffer {
    const { buffer } = this.memory;
    this.#buffers.add(buffer);
    return buffer;
  }
}

/** `length` rounded up to whole SIMD registers of four float32s. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
