/**
 * Checks a program before it runs. WebAssembly keeps a wrong pointer within the memory; the kernels in C don't, so nothing may
 * reach them that leaves it. What each operation reaches is in operation-extents.ts and the files that it imports.
 */
import { LANES, LISTS, type ListName } from '../../model/layers/emit.ts';
import { ExtentError } from '../../util/errors.ts';
import { OPERATIONS, type OperationName, RECORD_WORDS } from '../operations.ts';
import type { OperationList, Program } from '../program/program.ts';
import { padded } from '../wasm/memory.ts';
import { EXTENTS } from './operation-extents.ts';
import {
  type Bounds,
  FIRST_BYTE,
  ProgramExtents,
  type Range,
  RecordExtents,
  type SampleLimits,
} from './record-extents.ts';

const RECORD_BYTES = 4 * RECORD_WORDS;
const NAMES = new Map<number, OperationName>(
  Object.entries(OPERATIONS).map(([name, { number }]) => [number, name as OperationName]),
);

export interface CheckOptions {
  readonly memory: WebAssembly.Memory;
  /** Elements of the weights, and of a gradient. */
  readonly parameters: number;
}

/** Bytes of the memory. */
interface Bytes {
  readonly begin: number;
  readonly end: number;
}

/**
 * Checks that what a program reads and writes lies in the memory as it is now, in the weights and in the gradient, and that
 * nothing writes the records and tables that were checked. Call it before each binding: nobody checks later.
 * @returns what else has to hold for samples
 * @throws ExtentError
 */
export function checkProgram(program: Program, { memory, parameters }: CheckOptions): SampleLimits {
  const words = new Int32Array(memory.buffer, 0, Math.floor(memory.buffer.byteLength / 4));
  const { shardsAtOnce: shards, shardBlocks, block } = program;
  if (!isCount(shards) || !isCount(shardBlocks) || shards * shardBlocks < 1)
    throw new ExtentError(`A call takes ${shards} shards of ${shardBlocks} blocks.`);
  const size = memory.buffer.byteLength;
  const { sumBytes, sums } = sumsOf(program, parameters, size);
  const written: Record<ListName, number> = { step: 0, input: 0, evaluate: 0, train: sumBytes, shards: 4 * parameters };
  const extents = new ProgramExtents();
  for (const list of LISTS) {
    const gradient = written[list];
    const bounds = { list, words, memory: size, weights: 4 * parameters, gradient, shards, shardBlocks, block };
    checkList(program.lists[list], bounds, extents);
  }
  checkWrites(program, sums, extents);
  return extents.samples;
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0;
}

/** Checks where gradients are added up. @returns the bytes of a gradient that a block may write, and the vectors of sums */
function sumsOf({ sums, blockRanges }: Program, parameters: number, memory: number) {
  let [end, added] = [0, 0];
  for (const { first, count } of blockRanges) {
    if (!isCount(first) || !isCount(count) || first + count > parameters)
      throw new ExtentError(`The range of ${count} parameters from ${first} on isn't within ${parameters}.`);
    end = Math.max(end, first + count);
    added = Math.max(added, first + padded(count));
  }
  // Sums are added by whole registers, up to which vectors are padded.
  if (sums.length > 0 && added > padded(end))
    throw new ExtentError(`Sums of ${end} parameters are added up to ${added}, behind the last register.`);
  const bytes = 4 * padded(end);
  const vectors = sums.map((begin): Bytes => ({ begin, end: begin + bytes }));
  const outside = vectors.find(({ begin, end }) => !isCount(begin / 4) || begin < FIRST_BYTE || end > memory);
  if (outside !== undefined)
    throw new ExtentError(`Sums are from ${outside.begin} to ${outside.end} in a memory of ${memory} bytes.`);
  return { sumBytes: 4 * end, sums: vectors };
}

function checkList({ at, count }: OperationList, bounds: Bounds, extents: ProgramExtents): void {
  const end = at + RECORD_BYTES * count;
  if (!isCount(at / 4) || !isCount(count) || at < FIRST_BYTE || end > bounds.memory)
    throw new ExtentError(`The list ${bounds.list} has ${count} records from ${at} on in ${bounds.memory} bytes.`);
  for (let index = 0; index < count; index++) {
    const first = at / 4;
    const number = bounds.words[first + RECORD_WORDS * index] as number;
    const operation = NAMES.get(number);
    if (operation === undefined)
      throw new ExtentError(`Record ${index} of the list ${bounds.list}: there is no operation ${number}.`);
    EXTENTS[operation](new RecordExtents(bounds, extents, { operation, index, first }));
  }
}

/** Checks that nothing writes what decides which places are reached. */
function checkWrites({ lists, block }: Program, sums: readonly Bytes[], { tables, written }: ProgramExtents): void {
  const kept = disjoint([
    ...tables,
    ...LISTS.map((list) => ({ begin: lists[list].at, end: lists[list].at + RECORD_BYTES * lists[list].count })),
    { begin: block.indices, end: block.indices + 4 * LANES },
    { begin: block.shifts, end: block.shifts + 2 * LANES },
    { begin: block.labels, end: block.labels + 4 * LANES },
  ]);
  for (const { begin, end, record, argument } of written) {
    const table = overlapping(kept, begin, end);
    if (table !== undefined)
      record.fail(argument, `is written from ${begin} to ${end}, but a table is from ${table.begin} to ${table.end}.`);
  }
  const over = sums.find(({ begin, end }) => overlapping(kept, begin, end) !== undefined);
  if (over !== undefined) throw new ExtentError(`Sums are written from ${over.begin} to ${over.end}, over a table.`);
}

/** The same bytes by ranges that don't overlap, ascending. */
function disjoint(ranges: readonly (Bytes | Range)[]): Bytes[] {
  const sorted = ranges.filter(({ begin, end }) => begin < end).sort((a, b) => a.begin - b.begin);
  const merged: { begin: number; end: number }[] = [];
  for (const { begin, end } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && begin <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ begin, end });
  }
  return merged;
}

/** One of the ranges that has some of the bytes. */
function overlapping(ranges: readonly Bytes[], begin: number, end: number): Bytes | undefined {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle] as Bytes).end > begin) high = middle;
    else low = middle + 1;
  }
  const next = ranges[low];
  return next !== undefined && next.begin < end && begin < end ? next : undefined;
}
