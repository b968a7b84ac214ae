const PAGE = 65_536;
/** 2 GiB: a ceiling for address space; only pages that were written take memory. */
const MAX_PAGES = 32_768;
/** 4 MiB, of which LeNet-5's plan takes about a half. */
const PRIVATE_PAGES = 64;
/** A cache line, so that threads don't share one by accident. */
const ALIGNMENT = 64;

/** A WebAssembly memory laid out from its start; pointers are byte offsets into it. Nothing is freed. */
export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  // Pointer 0 stays unused, so that a zero in a table or command is a mistake that shows.
  #next = ALIGNMENT;
  #sealed = false;
  /** Every object that has stood for the memory: growing makes a new one. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();

  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
  }

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

  /** A vector of parameters, followed by zeros up to a whole register, which the kernel's elementwise functions touch. */
  parameters(length: number): Float32Array {
    return this.float32(padded(length)).subarray(0, length);
  }

  /** `bytes` itself if it lies in this memory, otherwise a copy that does. */
  hold(bytes: Uint8Array): Uint8Array {
    if (this.#buffers.has(bytes.buffer)) return bytes;
    const held = this.bytes(bytes.length);
    held.set(bytes);
    return held;
  }

  #buffer(): ArrayBufferLike {
    const { buffer } = this.memory;
    this.#buffers.add(buffer);
    return buffer;
  }
}

/**
 * The process's one shared WebAssembly memory: data set, weights, partials and every worker's scratch. Only the main thread
 * allocates; other threads are handed pointers. A run allocates what it needs at its start.
 */
export class SharedMemory extends KernelMemory {
  constructor() {
    super(new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true }));
  }
}

/** One thread's memory, as browsers give it to any page. Of a fixed size: growing would detach every view of it. */
export class PrivateMemory extends KernelMemory {
  constructor() {
    super(new WebAssembly.Memory({ initial: PRIVATE_PAGES, maximum: PRIVATE_PAGES }));
  }
}

/** `length` rounded up to whole SIMD registers of four float32s. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
