import { OPERATIONS, type OperationName, RECORD_WORDS, wordsOf } from '#src/shared/engine/operations.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { LANES } from '#src/shared/model/layers/emit.js';
import { at } from './reference/arrays.ts';
import { uniformStream } from './reference/random.ts';

/** What lies around maps, and must be there afterwards. */
const UNTOUCHED = 12_345;

export interface Size {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

/** The word that holds a pair of numbers. */
export function pair(rows: number, columns: number): number {
  return (rows << 16) | columns;
}

export interface Run {
  /** Real samples. */
  readonly count?: number;
  readonly kept?: number;
  readonly accumulate?: boolean;
  readonly weights?: Float32Array;
  readonly gradient?: Float32Array;
  readonly samples?: Uint8Array | Float32Array;
  readonly targets?: Float32Array;
}

/** Map stacks with a border in a kernel's memory. */
export class MapsInMemory {
  readonly size: Size;
  readonly words: readonly [number, number, number];
  readonly #all: Float32Array;
  readonly #border: number;

  constructor(memory: SharedMemory, size: Size, border: number) {
    const { maps, height, width } = size;
    this.size = size;
    this.#border = border;
    this.#all = memory.float32(maps * (height + 2 * border) * (width + 2 * border) * LANES).fill(UNTOUCHED);
    const row = 4 * LANES * (width + 2 * border);
    this.words = [this.#all.byteOffset + border * row + border * 4 * LANES, row, row * (height + 2 * border)];
  }

  get pointer(): number {
    return this.words[0];
  }

  get(map: number, y: number, x: number, lane: number): number {
    return at(this.#all, this.#index(map, y, x, lane));
  }

  set(map: number, y: number, x: number, lane: number, value: number): void {
    this.#all[this.#index(map, y, x, lane)] = value;
  }

  /** Sets all positions of all lanes. */
  fill(value: (map: number, y: number, x: number, lane: number) => number): this {
    this.each((map, y, x, lane) => this.set(map, y, x, lane, value(map, y, x, lane)));
    return this;
  }

  each(visit: (map: number, y: number, x: number, lane: number) => void): void {
    const { maps, height, width } = this.size;
    for (let map = 0; map < maps; map++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) for (let lane = 0; lane < LANES; lane++) visit(map, y, x, lane);
      }
    }
  }

  /** Writes zeros around the maps, as convolutions read them. */
  clearBorder(): this {
    const values = this.values();
    this.#all.fill(0);
    let next = 0;
    return this.fill(() => at(values, next++));
  }

  /** Whether nothing has been written around the maps. */
  get borderIsUntouched(): boolean {
    const { height, width } = this.size;
    const [rows, columns] = [height + 2 * this.#border, width + 2 * this.#border];
    return this.#all.every((value, i) => {
      const x = Math.floor(i / LANES) % columns;
      const y = Math.floor(i / LANES / columns) % rows;
      const inside = y >= this.#border && y < rows - this.#border && x >= this.#border && x < columns - this.#border;
      return inside || value === UNTOUCHED;
    });
  }

  /** All values in order: map, row, column, lane. */
  values(): Float32Array {
    const { maps, height, width } = this.size;
    const values = new Float32Array(maps * height * width * LANES);
    let next = 0;
    this.each((...place) => {
      values[next++] = this.get(...place);
    });
    return values;
  }

  #index(map: number, y: number, x: number, lane: number): number {
    const columns = this.size.width + 2 * this.#border;
    const plane = columns * (this.size.height + 2 * this.#border);
    return (map * plane + (y + this.#border) * columns + x + this.#border) * LANES + lane;
  }
}

/** A kernel whose operations are run one at a time. */
export class OperationRunner {
  readonly memory = new SharedMemory();
  readonly kernel = instantiateKernel(compileKernel(), this.memory.memory);
  readonly #record = this.memory.int32(RECORD_WORDS);

  /** @param values an argument each: a number, or maps for kind m */
  run(name: OperationName, values: readonly (number | MapsInMemory)[], options: Run = {}): void {
    const { number, arguments: kinds } = OPERATIONS[name];
    if (values.length !== kinds.length) throw new Error(`${name} has ${kinds.length} arguments, not ${values.length}.`);
    this.#record.fill(0);
    this.#record[0] = number;
    const floats = new Float32Array(this.#record.buffer, this.#record.byteOffset, RECORD_WORDS);
    let word = 1;
    for (const [i, kind] of [...kinds].entries()) {
      const value = at(values, i);
      if (typeof value !== 'number') this.#record.set(value.words, word);
      else if (kind === 'f') floats[word] = value;
      else this.#record[word] = value;
      word += wordsOf(kind);
    }
    this.kernel.run(
      this.#record.byteOffset,
      1,
      options.weights?.byteOffset ?? 0,
      options.gradient?.byteOffset ?? 0,
      options.samples?.byteOffset ?? 0,
      options.targets?.byteOffset ?? 0,
      options.count ?? LANES,
      options.kept ?? 0,
      Number(options.accumulate ?? false) as unknown as boolean,
    );
  }

  maps(size: Size, border = 1): MapsInMemory {
    return new MapsInMemory(this.memory, size, border);
  }

  /** Maps of values from -1 to 1. */
  randomMaps(size: Size, seed: number, border = 1): MapsInMemory {
    const uniform = uniformStream(seed);
    return this.maps(size, border).fill(() => Math.fround(uniform()));
  }

  floats(values: ArrayLike<number>): Float32Array {
    const floats = this.memory.float32(values.length);
    floats.set(values);
    return floats;
  }

  randomFloats(length: number, seed: number): Float32Array {
    const uniform = uniformStream(seed);
    return this.floats(Array.from({ length }, uniform));
  }

  ints(values: readonly number[]): Int32Array {
    const ints = this.memory.int32(values.length);
    ints.set(values);
    return ints;
  }
}

/** Shared buffers of equal bits; assert.deepEqual takes all NaN as one and is slow on long arrays. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bits = (values: Float32Array): Int32Array => new Int32Array(values.slice().buffer);
  const [left, right] = [bits(a), bits(b)];
  return left.length === right.length && left.every((value, i) => value === right[i]);
}
