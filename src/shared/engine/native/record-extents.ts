import type { BlockPointers, ListName } from '../../model/layers/emit.ts';
import { POSITION } from '../../model/layers/emit.ts';
import { ExtentError } from '../../util/errors.ts';
import { type OperationName, RECORD_WORDS } from '../operations.ts';

/** The first byte that a program may reach: pointer 0 means none, and Layout keeps its line free. */
export const FIRST_BYTE = 64;
/** Bytes of an element, of which pointers, offsets and strides are multiples. */
const ELEMENT = 4;

/** What the records of a list may reach. */
export interface Bounds {
  readonly list: ListName;
  /** The whole memory. */
  readonly words: Int32Array;
  /** Bytes of the memory, of the weights, and of what the list may write of the gradient. */
  readonly memory: number;
  readonly weights: number;
  readonly gradient: number;
  /** Shards of a call, and blocks of a shard, at most. */
  readonly shards: number;
  readonly shardBlocks: number;
  readonly block: BlockPointers;
}

/** Bytes of the memory, and whose they are. */
export interface Range {
  readonly begin: number;
  readonly end: number;
  readonly record: RecordExtents;
  readonly argument: string;
}

/** What samples have to be for a program, in which nothing else bounds them. */
export interface SampleLimits {
  /** Bytes of a sample's inputs, and of its float32 targets; 0 if they aren't read. */
  readonly inputBytes: number;
  readonly targetBytes: number;
  /** Rows or columns of a shift, either way. */
  readonly maxShift: number;
  /** Labels are below it: they count in a table. */
  readonly classes: number;
}

/** What all records of a program reach together. */
export class ProgramExtents {
  readonly written: Range[] = [];
  /** What decides which places are reached, so that nothing may write it. */
  readonly tables: Range[] = [];
  /** By where a table of them begins: those that have been read, since several records have the same one. */
  readonly offsets = new Map<number, Offsets & { readonly count: number }>();
  samples: SampleLimits = { inputBytes: 0, targetBytes: 0, maxShift: 128, classes: Number.POSITIVE_INFINITY };
}

/**
 * One record. Reads its arguments, by the number of their first word from 1 as in src/kernel/run.ts, and checks what they
 * reach. Strides are unsigned, as in C; entries of tables are signed.
 */
export class RecordExtents {
  readonly bounds: Bounds;
  readonly #program: ProgramExtents;
  readonly #operation: OperationName;
  readonly #index: number;
  readonly #first: number;

  /** @param index of the record in its list, which starts at word `first` */
  constructor(
    bounds: Bounds,
    program: ProgramExtents,
    { operation, index, first }: { operation: OperationName; index: number; first: number },
  ) {
    this.bounds = bounds;
    this.#program = program;
    this.#operation = operation;
    this.#index = index;
    this.#first = first + RECORD_WORDS * index;
  }

  fail(argument: string, text: string): never {
    throw new ExtentError(
      `${this.#operation}, record ${this.#index} of the list ${this.bounds.list}: ${argument} ${text}`,
    );
  }

  int(k: number): number {
    return this.bounds.words[this.#first + k] as number;
  }

  pointer(k: number): number {
    return this.int(k) >>> 0;
  }

  /** Whether a place in the weights or the gradient is given. */
  has(k: number): boolean {
    return this.int(k) !== -1;
  }

  /** A number of things. No more have room in the memory, and loops over so many end, even if they do nothing. */
  count(argument: string, k: number, min = 1, max = Math.floor(this.bounds.memory / ELEMENT)): number {
    const count = this.int(k);
    if (count < min || count > max) this.fail(argument, `is ${count}, but it must be ${min} to ${max}.`);
    return count;
  }

  /** Rows and columns. */
  sides(argument: string, k: number, min = 1): readonly [number, number] {
    const pair = this.pointer(k);
    const [rows, columns] = [pair >>> 16, pair & 0xffff];
    if (Math.min(rows, columns) < min) this.fail(argument, `is ${rows}x${columns}, but each must be at least ${min}.`);
    return [rows, columns];
  }

  /** Something of the block, which is where the backend writes it. */
  ofBlock(argument: 'indices' | 'shifts' | 'labels', k: number): void {
    const [at, expected] = [this.pointer(k), this.bounds.block[argument]];
    if (at !== expected) this.fail(argument, `are at ${at}, but those of the block are at ${expected}.`);
  }

  /** `bytes` from a pointer on. @param alignment of the pointer */
  reads(argument: string, k: number, bytes: number, alignment = ELEMENT): void {
    this.#range(argument, this.pointer(k), bytes, alignment);
  }

  writes(argument: string, k: number, bytes: number, alignment = ELEMENT): void {
    this.#program.written.push(this.#range(argument, this.pointer(k), bytes, alignment));
  }

  /** What is read at signed offsets from a pointer, from the least to the most, `bytes` each. */
  readsAround(argument: string, k: number, { least, most }: Offsets, bytes: number): void {
    this.#range(argument, this.pointer(k) + least, most - least + bytes, ELEMENT);
  }

  readsStack(argument: string, k: number, maps: number, sides: readonly [number, number]): void {
    this.reads(argument, k, this.#stackBytes(argument, k, maps, sides));
  }

  writesStack(argument: string, k: number, maps: number, sides: readonly [number, number]): void {
    this.writes(argument, k, this.#stackBytes(argument, k, maps, sides));
  }

  /** `bytes` from a place in the weights on. */
  weights(argument: string, k: number, bytes: number): void {
    this.#within(argument, this.pointer(k), bytes, this.bounds.weights);
  }

  /** What is read at signed offsets from a place in the weights. */
  weightsAround(argument: string, k: number, { least, most }: Offsets, bytes: number): void {
    this.#within(argument, this.pointer(k) + least, most - least + bytes, this.bounds.weights);
  }

  gradient(argument: string, k: number, bytes: number): void {
    this.#within(argument, this.pointer(k), bytes, this.bounds.gradient);
  }

  /** Int32s that decide which places are reached. */
  table(argument: string, k: number, count: number): Int32Array {
    const range = this.#range(argument, this.pointer(k), ELEMENT * count, ELEMENT);
    this.#program.tables.push(range);
    return this.bounds.words.subarray(range.begin / ELEMENT, range.end / ELEMENT);
  }

  /** A table of byte offsets. */
  offsets(argument: string, k: number, count: number): Offsets {
    const known = this.#program.offsets.get(this.pointer(k));
    if (known?.count === count) return known;
    const offsets = this.offsetsOf(argument, this.table(argument, k, count));
    this.#program.offsets.set(this.pointer(k), { ...offsets, count });
    return offsets;
  }

  /** Those at `first`, first + step, ... */
  offsetsOf(argument: string, table: Int32Array, first = 0, step = 1): Offsets {
    let [least, most] = [table[first] ?? 0, table[first] ?? 0];
    for (let i = first; i < table.length; i += step) {
      const offset = table[i] as number;
      if (offset % ELEMENT !== 0) this.fail(argument, `has ${offset}, which is no multiple of ${ELEMENT}.`);
      if (offset < least) least = offset;
      if (offset > most) most = offset;
    }
    return { least, most };
  }

  /**
   * Bytes from the first to behind the last of a grid of cells that don't overlap.
   * @param levels how often, and how many bytes apart, from the innermost one
   */
  grid(argument: string, cell: number, ...levels: readonly (readonly [count: number, stride: number])[]): number {
    let bytes = cell;
    for (const [count, stride] of levels) {
      const isTooShort = count > 1 && stride < bytes;
      if (stride % ELEMENT !== 0 || isTooShort) this.fail(argument, `has ${bytes} bytes every ${stride} bytes.`);
      bytes += (count - 1) * stride;
    }
    return bytes;
  }

  /** Samples are read. */
  takesSamples(limits: Partial<SampleLimits>): void {
    const { list } = this.bounds;
    if (list === 'step' || list === 'shards') this.fail('samples', 'are read, but the list has none.');
    const known = this.#program.samples;
    const { inputBytes = 0, targetBytes = 0, maxShift = known.maxShift, classes = known.classes } = limits;
    this.#program.samples = {
      inputBytes: Math.max(known.inputBytes, inputBytes),
      targetBytes: Math.max(known.targetBytes, targetBytes),
      maxShift: Math.min(known.maxShift, maxShift),
      classes: Math.min(known.classes, classes),
    };
  }

  #stackBytes(argument: string, k: number, maps: number, [height, width]: readonly [number, number]): number {
    const [row, plane] = [this.pointer(k + 1), this.pointer(k + 2)];
    return this.grid(argument, POSITION, [width, POSITION], [height, row], [maps, plane]);
  }

  #range(argument: string, begin: number, bytes: number, alignment: number): Range {
    const [end, { memory }] = [begin + bytes, this.bounds];
    if (begin % alignment !== 0) this.fail(argument, `is at ${begin}, which is no multiple of ${alignment}.`);
    if (bytes > 0 && (begin < FIRST_BYTE || end > memory))
      this.fail(argument, `is from ${begin} to ${end}, but the memory is from ${FIRST_BYTE} to ${memory}.`);
    return { begin, end, record: this, argument };
  }

  #within(argument: string, begin: number, bytes: number, size: number): void {
    const end = begin + bytes;
    if (begin % ELEMENT !== 0) this.fail(argument, `is at ${begin}, which is no multiple of ${ELEMENT}.`);
    if (bytes > 0 && (begin < 0 || end > size))
      this.fail(argument, `is from ${begin} to ${end} of a vector, but that has ${size} bytes.`);
  }
}

/** The least and the most of some byte offsets. */
export interface Offsets {
  readonly least: number;
  readonly most: number;
}
