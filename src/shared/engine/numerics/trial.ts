import { geometry, LANES, POSITION, stackAt, type Value } from '../../model/layers/emit.ts';
import { type Border, NO_BORDER, type Shape, shapeSize } from '../../model/shape.ts';
import { PhiloxStream, PURPOSE } from '../../util/philox.ts';
import { type OperationName, RECORD_WORDS, recordOf, type StackWords } from '../operations.ts';
import { type CompiledKernel, instantiateKernel, type KernelExports } from '../wasm/exports.ts';
import { bytesOf, SharedMemory } from '../wasm/memory.ts';

/** Bytes of the memory that one trial has. */
const ARENA = 2 ** 19;
/** Float32s and words at random; trials take them in turn. */
const NOISE = 2 ** 12;

/** The inputs of one pass over the battery. */
export interface Variant {
  /** Real samples of a block. */
  readonly count: number;
  /** Whether gradients are added to what is there. */
  readonly accumulate: boolean;
  /** Values are from -2 to 2 times this. */
  readonly scale: number;
  /** Values among the others, each at about one place in sixteen. */
  readonly special: readonly number[];
}

/** -0, denormals, numbers around those that are flushed to zero, and some whose products overflow. */
const EDGES = [-0, 1e-40, -3e-42, 2 ** -60, -(2 ** -60 - 2 ** -85), 1.5 * 2 ** -60, -(2 ** -59), 2 ** -50, 3e30, -2e37];

export const VARIANTS: readonly Variant[] = [
  { count: 8, accumulate: false, scale: 1, special: [] },
  // Products, and then values themselves, around what is flushed to zero.
  { count: 5, accumulate: true, scale: 2 ** -30, special: [] },
  { count: 7, accumulate: false, scale: 2 ** -58, special: [] },
  { count: 3, accumulate: false, scale: 1, special: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0] },
  { count: 8, accumulate: true, scale: 1, special: EDGES },
  { count: 6, accumulate: false, scale: 1, special: [Number.NaN] },
];

/** What the battery's cases run on: the kernel, and a memory that is cleared for each of them. */
export class Bench {
  readonly kernel: KernelExports;
  readonly arena: Uint8Array;
  /** The arena as float32s, and as words. */
  readonly floats: Float32Array;
  readonly bits: Uint32Array;
  readonly values: Float32Array;
  readonly words: Uint32Array;
  /** Bytes of the memory that the last trial took. */
  used = 0;

  constructor(kernel: CompiledKernel) {
    const allocate = (memory: { bytes(length: number): Uint8Array }): Uint8Array => memory.bytes(ARENA);
    const memory = new SharedMemory(bytesOf(allocate));
    this.kernel = instantiateKernel(kernel, memory.memory);
    this.arena = allocate(memory);
    const { buffer, byteOffset } = this.arena;
    this.floats = new Float32Array(buffer, byteOffset, ARENA / 4);
    this.bits = new Uint32Array(buffer, byteOffset, ARENA / 4);
    const stream = new PhiloxStream(0, PURPOSE.permutation);
    this.words = Uint32Array.from({ length: NOISE }, () => stream.next());
    // From -2 to 2, exactly.
    this.values = Float32Array.from(this.words, (word) => (word >>> 8) / 2 ** 22 - 2);
  }
}

/** One case with one variant's inputs; what it writes and tells of is hashed. */
export class Trial {
  readonly kernel: KernelExports;
  readonly variant: Variant;
  readonly #bench: Bench;
  readonly #report: (bytes: Uint8Array) => void;
  #drawn = 0;

  constructor(bench: Bench, variant: Variant, report: (bytes: Uint8Array) => void) {
    this.kernel = bench.kernel;
    this.variant = variant;
    this.#bench = bench;
    this.#report = report;
    bench.arena.fill(0, 0, bench.used);
    bench.used = 0;
  }

  /** A pointer to `bytes` zeroed bytes. */
  room(bytes: number): number {
    const bench = this.#bench;
    const at = bench.arena.byteOffset + bench.used;
    bench.used += Math.ceil(bytes / POSITION) * POSITION;
    if (bench.used > bench.arena.byteLength) throw new Error('A case takes more memory than a trial has.');
    return at;
  }

  /** A pointer to `count` float32s, special ones among them. */
  floats(count: number): number {
    const at = this.room(4 * count);
    const first = this.#index(at);
    for (let i = first; i < first + count; i++) this.#bench.floats[i] = this.#next();
    return at;
  }

  /** A pointer to `count` float32s from 0 to 2, whatever the variant. */
  positives(count: number): number {
    const at = this.room(4 * count);
    const first = this.#index(at);
    for (let i = first; i < first + count; i++) this.#bench.floats[i] = Math.abs(this.#plain());
    return at;
  }

  integers(values: readonly number[]): number {
    const at = this.room(4 * values.length);
    this.#bench.bits.set(values, this.#index(at));
    return at;
  }

  bytes(values: readonly number[]): number {
    const at = this.room(values.length);
    this.#bench.arena.set(values, at - this.#bench.arena.byteOffset);
    return at;
  }

  /** `count` whole numbers below `limit`. */
  below(count: number, limit: number): number[] {
    return Array.from({ length: count }, () => this.#word() % limit);
  }

  /** LANES classes, -1 in the empty lanes. */
  labels(classes: number): number {
    const labels = this.below(LANES, classes);
    return this.integers(labels.map((label, lane) => (lane < this.variant.count ? label : -1)));
  }

  /** A stack of values: 0 in the border and in the empty lanes. */
  stack(shape: Shape, border: Border = NO_BORDER): Value {
    const value = this.target(shape, border);
    for (let row = 0; row < shape.maps * shape.height; row++) {
      const first = this.#index(rowAt(value, row));
      for (let i = 0; i < shape.width * LANES; i++)
        if (i % LANES < this.variant.count) this.#bench.floats[first + i] = this.#next();
    }
    return value;
  }

  /** Changes the values of a stack without border. */
  change({ at, shape }: Value, to: (value: number, index: number) => number): void {
    const first = this.#index(at);
    const floats = this.#bench.floats.subarray(first, first + shapeSize(shape) * LANES);
    for (const [i, value] of floats.entries()) floats[i] = to(value, i);
  }

  /** A stack that the case writes. */
  target(shape: Shape, border: Border = NO_BORDER): Value {
    const { row, plane, bytes, inside } = geometry(shape, border);
    return { ...stackAt(this.room(bytes) + inside, shape), row, plane, border };
  }

  run(name: OperationName, args: readonly (number | StackWords)[], options: RunOptions = {}): void {
    const record = recordOf(name, args);
    const list = this.integers([...record, ...new Array<number>(RECORD_WORDS - record.length).fill(0)]);
    const { samples = 0, targets = 0, kept = 0, count = this.variant.count } = options;
    this.kernel.run(list, 1, 0, 0, samples, targets, count, kept, this.variant.accumulate);
  }

  /** Tells of float32s that were written. */
  floatsAt(at: number, count: number): void {
    const first = this.#index(at);
    this.#reportFloats(this.#bench.bits.slice(first, first + count));
  }

  /** Tells of what lies within the border. */
  stackAt(value: Value): void {
    const { maps, height, width } = value.shape;
    const bits = new Uint32Array(maps * height * width * LANES);
    for (let row = 0; row < maps * height; row++) {
      const first = this.#index(rowAt(value, row));
      for (let i = 0; i < width * LANES; i++) bits[row * width * LANES + i] = this.#bench.bits[first + i] as number;
    }
    this.#reportFloats(bits);
  }

  /** WebAssembly leaves open which bits a NaN has: all count as one. */
  #reportFloats(bits: Uint32Array): void {
    for (let i = 0; i < bits.length; i++) if (((bits[i] as number) & 0x7fffffff) > 0x7f800000) bits[i] = 0x7fc00000;
    this.#report(new Uint8Array(bits.buffer));
  }

  integersAt(at: number, count: number): void {
    this.bytesAt(at, 4 * count);
  }

  bytesAt(at: number, count: number): void {
    const first = at - this.#bench.arena.byteOffset;
    this.#report(this.#bench.arena.slice(first, first + count));
  }

  /** Tells of a float64. */
  number(value: number): void {
    this.text(Object.is(value, -0) ? '-0' : value.toString());
  }

  numberAt(at: number): void {
    this.number(new Float64Array(this.#bench.arena.buffer, at, 1)[0] as number);
  }

  text(text: string): void {
    this.#report(new TextEncoder().encode(`${text}\n`));
  }

  /** Of a pointer, in words. */
  #index(at: number): number {
    return (at - this.#bench.arena.byteOffset) / 4;
  }

  #word(): number {
    return this.#bench.words[this.#drawn++ % NOISE] as number;
  }

  #plain(): number {
    return this.#bench.values[this.#drawn++ % NOISE] as number;
  }

  #next(): number {
    const { special, scale } = this.variant;
    const place = special.length === 0 ? 0 : this.#word() % (16 * special.length);
    return special[place] ?? scale * this.#plain();
  }
}

export interface RunOptions {
  readonly samples?: number;
  readonly targets?: number;
  readonly kept?: number;
  /** The variant's samples if absent. */
  readonly count?: number;
}

/** The pointer to one of a stack's rows, counted through all maps. */
function rowAt({ at, row, plane, shape: { height } }: Value, index: number): number {
  return at + Math.floor(index / height) * plane + (index % height) * row;
}
