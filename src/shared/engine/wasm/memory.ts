import { MemoryError } from '../../util/errors.ts';

const PAGE = 65_536;
/** 4 GiB, but for the last page: the kernel's loops run up to the address behind a vector, which must not be 0. */
const MAX_PAGES = 65_535;
/** Enough for one thread's kernel, a few images and vectors of parameters. */
export const ONE_THREAD_BYTES = 2 ** 24;
/** What to do if memory can't be had. */
export const MEMORY_ADVICE =
  'Close other programs, give fewer workers, or raise what limits it: a container or batch job, or ulimit -v. ' +
  'If ulimit -v has to stay, NODE_OPTIONS=--disable-wasm-trap-handler makes Node 20 and 22 reserve no more than is needed.';
/** A cache line, so that threads don't share one by accident. */
const ALIGNMENT = 64;
/** The most that can be allocated in the shared memory. */
export const MAX_SHARED_BYTES = PAGE * MAX_PAGES - ALIGNMENT;

type View = Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array;
type ViewKind<T extends View> = {
  new (buffer: ArrayBufferLike, pointer: number, length: number): T;
  readonly BYTES_PER_ELEMENT: number;
};

/** Lays out a memory from its start; pointers are byte offsets into it. Nothing is freed. */
export abstract class Layout {
  // Pointer 0 stays unused, so that a zero in a table or command is a mistake that shows.
  #next = ALIGNMENT;
  #sealed = false;

  /** Bytes that are allocated. */
  get used(): number {
    return this.#next - ALIGNMENT;
  }

  /** Ends allocation. */
  seal(): void {
    this.#sealed = true;
  }

  /** @returns the pointer to `bytes` zeroed bytes */
  allocate(bytes: number): number {
    if (this.#sealed) throw new Error('Shared memory must be allocated before the threads start.');
    const pointer = this.#next;
    const next = Math.ceil((pointer + bytes) / ALIGNMENT) * ALIGNMENT;
    this.provide(next);
    this.#next = next;
    return pointer;
  }

  bytes(length: number): Uint8Array {
    return this.take(Uint8Array, length);
  }

  uint16(length: number): Uint16Array {
    return this.take(Uint16Array, length);
  }

  int32(length: number): Int32Array {
    return this.take(Int32Array, length);
  }

  float32(length: number): Float32Array {
    return this.take(Float32Array, length);
  }

  float64(length: number): Float64Array {
    return this.take(Float64Array, length);
  }

  /** A vector of parameters, followed by zeros up to a whole register, which the kernel's elementwise functions touch. */
  parameters(length: number): Float32Array {
    return this.float32(padded(length)).subarray(0, length);
  }

  protected take<T extends View>(kind: ViewKind<T>, length: number): T {
    const pointer = this.allocate(kind.BYTES_PER_ELEMENT * length);
    return this.view(kind, pointer, length);
  }

  /** Makes room for the bytes below `end`. */
  protected abstract provide(end: number): void;
  protected abstract view<T extends View>(kind: ViewKind<T>, pointer: number, length: number): T;
}

/** Counts bytes without taking them: the views that it hands out share theirs. */
class LayoutSize extends Layout {
  #bytes = new ArrayBuffer(0);

  protected provide(): void {}

  protected view<T extends View>(kind: ViewKind<T>, _pointer: number, length: number): T {
    const bytes = kind.BYTES_PER_ELEMENT * length;
    if (bytes > this.#bytes.byteLength) this.#bytes = new ArrayBuffer(bytes);
    return new kind(this.#bytes, 0, length);
  }
}

/** Bytes that `allocate` would allocate. */
export function bytesOf(allocate: (layout: Layout) => void): number {
  const size = new LayoutSize();
  allocate(size);
  return size.used;
}

/** A WebAssembly memory and its layout. */
export class KernelMemory extends Layout {
  readonly memory: WebAssembly.Memory;
  /** Every object that has stood for the memory: growing makes a new one. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();

  constructor(memory: WebAssembly.Memory) {
    super();
    this.memory = memory;
  }

  /** `values` themselves if they lie in this memory, otherwise a copy that does. */
  hold<T extends View>(values: T): T {
    if (this.#buffers.has(values.buffer)) return values;
    const held = this.take(values.constructor as ViewKind<T>, values.length);
    held.set(values);
    return held;
  }

  protected provide(end: number): void {
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) orFail(end, () => this.memory.grow(missing));
  }

  protected view<T extends View>(kind: ViewKind<T>, pointer: number, length: number): T {
    const { buffer } = this.memory;
    this.#buffers.add(buffer);
    return new kind(buffer, pointer, length);
  }
}

/**
 * The process's one shared WebAssembly memory: data set, weights, partials and every worker's scratch. Only the main thread
 * allocates; other threads are handed pointers. A run allocates what it needs at its start.
 */
export class SharedMemory extends KernelMemory {
  /**
   * @param bytes what will be allocated, reserved at once (default: it grows, up to MAX_SHARED_BYTES)
   * @throws MemoryError if the system doesn't give that much
   */
  constructor(bytes?: number) {
    super(bytes === undefined ? shared(1, MAX_PAGES) : shared(pagesFor(bytes), pagesFor(bytes)));
  }
}

function pagesFor(bytes: number): number {
  return Math.ceil((ALIGNMENT + bytes) / PAGE);
}

function shared(initial: number, maximum: number): WebAssembly.Memory {
  return orFail(PAGE * initial, () => new WebAssembly.Memory({ initial, maximum, shared: true }));
}

function orFail<T>(bytes: number, take: () => T): T {
  try {
    return take();
  } catch (error) {
    const text = `The system doesn't give ${mebibytes(bytes)} MiB of memory.`;
    throw new MemoryError([text, MEMORY_ADVICE], { cause: error, isTemporary: true });
  }
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}

/** One thread's memory, as browsers give it to any page. Of a fixed size: growing would detach every view of it. */
export class PrivateMemory extends KernelMemory {
  /**
   * @param bytes what will be allocated
   * @throws MemoryError if that is more than `max`, or if the system doesn't give that much
   */
  constructor(bytes: number, max: number) {
    const [pages, most] = [pagesFor(bytes), pagesFor(max)];
    if (pages > most)
      throw new MemoryError([`This needs ${mebibytes(bytes)} MiB of memory, more than ${mebibytes(max)}.`]);
    super(orFail(bytes, () => new WebAssembly.Memory({ initial: pages, maximum: pages })));
  }
}

/** `length` rounded up to whole SIMD registers of four float32s. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
