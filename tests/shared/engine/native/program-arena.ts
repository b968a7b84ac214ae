import { checkProgram } from '#src/shared/engine/native/extents.js';
import type { SampleLimits } from '#src/shared/engine/native/record-extents.js';
import { OPERATIONS, type OperationName, RECORD_WORDS, wordsOf } from '#src/shared/engine/operations.js';
import { type PlanOptions, planProgram } from '#src/shared/engine/program/planner.js';
import type { OperationList, Program } from '#src/shared/engine/program/program.js';
import { compileKernel, instantiateKernel, type KernelExports } from '#src/shared/engine/wasm/exports.js';
import { bytesOf, SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { LANES, LISTS, type ListName } from '#src/shared/model/layers/emit.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { ExtentError } from '#src/shared/util/errors.js';

const PAGE = 65_536;
/** Bytes below the first one that a program may reach. */
const RESERVED = 64;
const CANARY = 0xa5;
const NAMES = new Map<number, OperationName>(
  Object.entries(OPERATIONS).map(([name, { number }]) => [number, name as OperationName]),
);
const NO_RECORDS: OperationList = { at: RESERVED, count: 0 };

const compiled = compileKernel();

/** A record of a program, and where its words are. */
export interface RecordPlace {
  readonly list: ListName;
  readonly index: number;
  readonly operation: OperationName;
  /** The word of its number; argument words follow. */
  readonly first: number;
}

/** An argument of a record by its kind, and the place of its first word. */
export interface ArgumentPlace {
  readonly kind: string;
  /** From 1, as in src/kernel/run.ts. */
  readonly k: number;
}

/**
 * A program between two free zones in a memory that ends behind the second one. Weights, gradient and samples end where the
 * memory does, so that WebAssembly traps at the first byte that is read or written behind them.
 */
export class ProgramArena {
  readonly program: Program;
  readonly parameters: number;
  readonly memory: WebAssembly.Memory;
  readonly words: Int32Array;
  readonly size: number;
  readonly records: readonly RecordPlace[];
  readonly #kernel: KernelExports;
  /** Of what was accepted last. */
  #limits: SampleLimits;
  readonly #snapshot: Int32Array;

  /** @param zone bytes of a free zone, at least */
  constructor(layout: ModelLayout, options: PlanOptions, zone: number) {
    const around = Math.max(zone, 4 * layout.parameters + RESERVED);
    const bytes = bytesOf((sizes) => void planProgram(layout, options, sizes));
    const total = Math.ceil((RESERVED + bytes + 2 * around) / PAGE) * PAGE - RESERVED;
    const memory = new SharedMemory(total);
    memory.allocate(around);
    this.program = planProgram(layout, options, memory);
    this.parameters = layout.parameters;
    this.memory = memory.memory;
    this.size = this.memory.buffer.byteLength;
    this.words = new Int32Array(this.memory.buffer);
    this.records = recordsOf(this.program, this.words);
    this.#kernel = instantiateKernel(compiled, this.memory);
    this.#limits = checkProgram(this.program, this);
    new Uint8Array(this.memory.buffer, 0, RESERVED).fill(CANARY);
    this.#snapshot = this.words.slice();
  }

  /** Whether the program passes, or that with one record alone; the backend takes no more samples than there are. */
  accepts(record?: RecordPlace): boolean {
    const program = record === undefined ? this.program : this.#programOf(record);
    try {
      this.#limits = checkProgram(program, this);
      const { inputBytes, targetBytes } = this.#limits;
      return LANES * Math.max(inputBytes, targetBytes) <= this.size - RESERVED;
    } catch (error) {
      if (error instanceof ExtentError) return false;
      throw error;
    }
  }

  /** Runs all lists, or one record, of what was accepted last. @returns whether WebAssembly trapped */
  traps(record?: RecordPlace): boolean {
    const { lists } = record === undefined ? this.program : this.#programOf(record);
    const { shardsAtOnce, shardBlocks } = this.program;
    const [weights, { inputBytes, targetBytes }] = [this.size - 4 * this.parameters, this.#limits];
    this.#loadBlock();
    const samples = [this.size - LANES * inputBytes, this.size - LANES * targetBytes] as const;
    try {
      for (const list of LISTS) {
        const { at, count } = lists[list];
        const kept = shardsAtOnce * shardBlocks - 1;
        const lanes = list === 'shards' ? shardsAtOnce : LANES;
        this.#kernel.run(at, count, weights, this.#gradientOf(list), ...samples, lanes, kept, true);
      }
    } catch (error) {
      if (error instanceof Error && error.name === 'RuntimeError') return true;
      throw error;
    }
    return false;
  }

  /** Whether nothing wrote in front of all that a program may reach. */
  get hasCanaries(): boolean {
    return new Uint8Array(this.memory.buffer, 0, RESERVED).every((byte) => byte === CANARY);
  }

  /** Calls `use` while a word has another value. */
  with<T>(word: number, value: number, use: () => T): T {
    const before = this.words[word] as number;
    this.words[word] = value;
    try {
      return use();
    } finally {
      this.words[word] = before;
    }
  }

  /** Undoes all writes since the arena was made. */
  restore(): void {
    this.words.set(this.#snapshot);
  }

  /** What the backend writes for a block: the samples that reach furthest. */
  #loadBlock(): void {
    const [{ block }, { maxShift, classes }] = [this.program, this.#limits];
    for (let s = 0; s < LANES; s++) {
      this.words[block.indices / 4 + s] = s;
      this.words[block.labels / 4 + s] = Number.isFinite(classes) ? classes - 1 : 0;
    }
    new Int8Array(this.memory.buffer, block.shifts, 2 * LANES).fill(Math.min(2, maxShift));
  }

  /** The gradient of a list, which ends where the memory does. */
  #gradientOf(list: ListName): number {
    if (list === 'shards') return this.size - 4 * this.parameters;
    return this.size - 4 * Math.max(0, ...this.program.blockRanges.map(({ first, count }) => first + count));
  }

  #programOf({ list, first }: RecordPlace): Program {
    const none = Object.fromEntries(LISTS.map((each) => [each, NO_RECORDS])) as Program['lists'];
    return { ...this.program, lists: { ...none, [list]: { at: 4 * first, count: 1 } } };
  }
}

function recordsOf({ lists }: Program, words: Int32Array): RecordPlace[] {
  return LISTS.flatMap((list) =>
    Array.from({ length: lists[list].count }, (_, index) => {
      const first = lists[list].at / 4 + RECORD_WORDS * index;
      return { list, index, first, operation: NAMES.get(words[first] as number) as OperationName };
    }),
  );
}

export function argumentsOf(operation: OperationName): ArgumentPlace[] {
  let k = 1;
  return [...OPERATIONS[operation].arguments].map((kind) => {
    const place = { kind, k };
    k += wordsOf(kind);
    return place;
  });
}
