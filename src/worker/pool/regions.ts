import type { LossSum } from '../../shared/engine/backend.ts';
import type { EvaluationChunks } from '../../shared/engine/evaluation.ts';
import { RoundFigures } from '../../shared/engine/round-figures.ts';
import { type StateShape, stateAt, stateLength } from '../../shared/engine/state.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import { type Layout, padded } from '../../shared/engine/wasm/memory.ts';

/** Bytes before a region's data; a cache line. */
const HEADER = 64;

/** The result of a gradient command: a partial gradient. */
export class PartialRegion {
  /** [parameters] */
  readonly gradient: Float32Array;
  readonly #losses: Float64Array;
  readonly #correct: Int32Array;

  constructor(buffer: ArrayBufferLike, region: number, parameters: number) {
    this.#losses = new Float64Array(buffer, region, 1);
    this.#correct = new Int32Array(buffer, region + 8, 1);
    this.gradient = new Float32Array(buffer, region + HEADER, parameters);
  }

  static bytes(parameters: number): number {
    return HEADER + 4 * padded(parameters);
  }

  write({ lossSum, correct }: LossSum): void {
    this.#losses[0] = lossSum;
    this.#correct[0] = correct;
  }

  read(): LossSum {
    return { lossSum: this.#losses[0] as number, correct: this.#correct[0] as number };
  }
}

/** The result of a replica command: the state after the replica's local steps, and what they found. */
export class StateRegion {
  readonly state: StateVectors;
  readonly #figures: Float64Array;

  constructor(buffer: ArrayBufferLike, region: number, shape: StateShape, maxSteps: number) {
    const header = StateRegion.#header(maxSteps);
    this.#figures = new Float64Array(buffer, region, RoundFigures.length(maxSteps));
    this.state = stateAt(buffer, region + header, shape);
  }

  static bytes(shape: StateShape, maxSteps: number): number {
    return StateRegion.#header(maxSteps) + 4 * stateLength(shape);
  }

  static #header(maxSteps: number): number {
    return Math.ceil((8 * RoundFigures.length(maxSteps)) / HEADER) * HEADER;
  }

  /** Of so many local steps. */
  figures(steps: number): RoundFigures {
    return new RoundFigures(this.#figures.subarray(0, RoundFigures.length(steps)));
  }
}

/** The result of an evaluation command over a range of chunks: a loss sum a chunk, a class a sample. */
export class EvaluationRegion {
  readonly range: ShardRange;
  /** [chunks] */
  readonly losses: Float64Array;
  readonly #classes: Uint16Array;
  readonly #chunkSize: number;

  constructor(buffer: ArrayBufferLike, region: number, range: ShardRange, chunkSize: number) {
    const chunks = range.end - range.begin;
    this.range = range;
    this.losses = new Float64Array(buffer, region, chunks);
    this.#classes = new Uint16Array(buffer, region + 8 * chunks, chunks * chunkSize);
    this.#chunkSize = chunkSize;
  }

  static bytes(chunks: number, chunkSize: number): number {
    return chunks * (8 + 2 * chunkSize);
  }

  /** [samples]: a copy of the classes of all samples of the range. */
  predictionsOf(chunks: EvaluationChunks): Uint16Array {
    const { begin, end } = this.range;
    const all = new Uint16Array(chunks.samplesIn(this.range));
    for (let chunk = begin; chunk < end; chunk++) {
      const count = chunks.samplesIn({ begin: chunk, end: chunk + 1 });
      all.set(this.predictions(chunk).subarray(0, count), chunks.before(chunk) - chunks.before(begin));
    }
    return all;
  }

  /** [chunkSize]: the classes of one of the range's chunks. */
  predictions(chunk: number): Uint16Array {
    const first = (chunk - this.range.begin) * this.#chunkSize;
    return this.#classes.subarray(first, first + this.#chunkSize);
  }
}

/** The regions that results are written to: each is free, belongs to an attempt, or is lent to the pool's caller. */
export class RegionStore<Region> {
  readonly #regions: ReadonlyMap<number, Region>;
  readonly #free: number[];
  readonly #lent: number[] = [];

  /** @param pointers as `allocateRegions` returns them @param open what lies at a pointer */
  constructor(pointers: readonly number[], open: (pointer: number) => Region) {
    this.#regions = new Map(pointers.map((each) => [each, open(each)]));
    // The first to be used is the last: a few regions serve a calm run.
    this.#free = pointers.toReversed();
  }

  get free(): number {
    return this.#free.length;
  }

  take(): number {
    return this.#free.pop() as number;
  }

  give(region: number): void {
    this.#free.push(region);
  }

  /** The caller may read them until the next `reclaim`. */
  lend(regions: readonly number[]): void {
    this.#lent.push(...regions);
  }

  reclaim(): void {
    this.#free.push(...this.#lent.splice(0));
  }

  at(region: number): Region {
    return this.#regions.get(region) as Region;
  }
}

/** @returns pointers */
export function allocateRegions(memory: Layout, { count, bytes }: { count: number; bytes: number }): number[] {
  return Array.from({ length: count }, () => memory.allocate(bytes));
}
