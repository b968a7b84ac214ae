import { MAX_SHARED_BYTES, MEMORY_ADVICE, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { MemoryError } from '../../shared/util/errors.ts';
import { type MemoryLimits, memoryLimits, memoryTaken } from '../../shared/util/memory-limits.ts';

const MEBIBYTE = 2 ** 20;
const GIBIBYTE = 2 ** 30;
const NODE = Number.parseInt(process.versions.node, 10);
/** What a process has resident without threads and shared memory. */
const PROCESS_BYTES = 64 * MEBIBYTE;
/** What each thread adds to a process: what becomes resident, addresses that it reserves, and those of them that it may write to. */
const THREAD_BYTES = 12 * MEBIBYTE;
const [THREAD_ADDRESSES, THREAD_DATA] =
  // From Node 26 on, V8 reserves 256 MiB for each thread's table of pointers.
  NODE < 25 ? [112 * MEBIBYTE, 48 * MEBIBYTE] : [416 * MEBIBYTE, 96 * MEBIBYTE];
/**
 * Addresses that Node reserves for each WebAssembly memory, whatever its size, so that it need not check every access; from Node 24 on
 * only if the limit leaves plenty.
 */
const GUARD = NODE < 24 ? { bytes: 10 * GIBIBYTE, from: 0 } : { bytes: 8 * GIBIBYTE, from: 16 * GIBIBYTE };
const HAS_GUARD = ![...process.execArgv, process.env.NODE_OPTIONS].join(' ').includes('--disable-wasm-trap-handler');
/** Addresses that the process itself takes besides: until its threads start, and from then on. */
const GROWTH = { before: 320 * MEBIBYTE, after: 128 * MEBIBYTE };

/** Bytes of the shared memory that a number of threads needs. */
export interface SharedSize {
  readonly reserved: number;
  /** What of it becomes resident. */
  readonly used: number;
}

/** The sizes by number of threads, data set included. */
export type SizeOf = (threads: number) => SharedSize;

/** The largest number of threads, up to `upTo`, for which one shared memory is large enough; 0 if it isn't for one. */
export function threadsHeld(sizeOf: SizeOf, upTo: number): number {
  return most(upTo, (threads) => sizeOf(threads).reserved <= MAX_SHARED_BYTES);
}

/** The same for the memory that this process may take. */
export function threadsAfforded(sizeOf: SizeOf, upTo: number, limits = memoryLimits()): number {
  return most(upTo, (threads) => shortage(threads, sizeOf(threads), limits) === undefined);
}

/** The shared memory for so many threads. @throws MemoryError if it can't be had, or leaves too little for the threads themselves */
export function sharedMemoryFor(threads: number, sizeOf: SizeOf): SharedMemory {
  const limits = memoryLimits();
  const lack = shortage(threads, sizeOf(threads), limits);
  if (lack !== undefined) {
    const fewer = threadsAfforded(sizeOf, threads - 1, limits);
    throw new MemoryError([fewer === 0 ? lack : `${lack} ${fewer} would fit.`, MEMORY_ADVICE]);
  }
  return new SharedMemory(sizeOf(threads).reserved);
}

/**
 * To be called before the threads are started: if one lacks addresses, the engine ends the process without a word. Node itself
 * may have taken some in the meantime, as for its HTTP client.
 * @throws MemoryError if the limits leave too little for so many threads
 */
export function requireRoom(threads: number): void {
  const lack = shortage(threads, { reserved: 0, used: 0 }, memoryLimits());
  if (lack !== undefined) throw new MemoryError([lack, MEMORY_ADVICE]);
}

/** What is missing for so many threads, and `size` bytes of shared memory that aren't reserved yet; undefined if nothing is. */
function shortage(threads: number, { reserved, used }: SharedSize, limits: MemoryLimits): string | undefined {
  const taken = memoryTaken();
  const growth = reserved > 0 ? GROWTH.before : GROWTH.after;
  const hasGuard = HAS_GUARD && reserved > 0 && (limits.addresses ?? 0) >= GUARD.from;
  const addresses = hasGuard ? GUARD.bytes : reserved;
  const needs = [
    ['cgroup', 'of memory', PROCESS_BYTES + used + threads * THREAD_BYTES],
    ['addresses', 'of addresses (ulimit -v)', taken.addresses + growth + addresses + threads * THREAD_ADDRESSES],
    ['data', 'of data (ulimit -d)', taken.data + growth + reserved + threads * THREAD_DATA],
  ] as const;
  for (const [limit, unit, needed] of needs) {
    const allowed = limits[limit];
    if (allowed === undefined || needed <= allowed) continue;
    const [need, have] = [Math.ceil(needed / MEBIBYTE), Math.floor(allowed / MEBIBYTE)];
    return `${threads} worker thread${threads === 1 ? '' : 's'} take about ${need} MiB ${unit}, but the limit is ${have} MiB.`;
  }
  return undefined;
}

/** The largest number from 1 to `upTo` that fits, if those below it fit too; 0 if none does. */
function most(upTo: number, fits: (count: number) => boolean): number {
  if (upTo < 1 || fits(upTo)) return Math.max(0, upTo);
  let [low, high] = [0, upTo];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
