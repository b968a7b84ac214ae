import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import { depthOf } from '../../shared/engine/tree.ts';
import { BlockUpdater, UpdateRecord } from '../../shared/engine/update.ts';
import type { Layout, SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { planKernel } from '../../shared/engine/wasm/plan.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { processorCount } from '../../shared/util/processors.ts';
import type { BackendName } from './backend.ts';
import { BARRIER_WORDS, StepBarriers } from './barrier.ts';
import { COMPLETION_SIGNAL_WORDS, CompletionSignal } from './completion-signal.ts';
import type { Fault } from './faults.ts';
import { DEPTH, MAILBOX_WORDS } from './mailbox.ts';
import { EvaluationRegion, PartialRegion, RegionStore } from './regions.ts';
import type { SampleSet } from './sample-set.ts';
import type { WorkerSetup } from './thread-setup.ts';

/** Test samples of one evaluation chunk: part of the determinism contract, since losses are summed by chunks. */
export const CHUNK_SIZE = 200;
/** Milliseconds for which a worker polls before it sleeps: longer than the coordinator's work between two steps. */
const SPIN_MS = 0.3;

export interface LocalPoolOptions {
  readonly workers: number;
  readonly memory: SharedMemory;
  readonly kernel: WebAssembly.Module;
  readonly layout: ModelLayout;
  /** Default: kernel. Reduction and updates are the kernel's with any. */
  readonly backend?: BackendName;
  /** In `memory`. */
  readonly train: SampleSet;
  readonly test: SampleSet;
  readonly batch: number;
  readonly shardSize: number;
  readonly sampler: SamplerOptions;
  /** Called for every worker that was lost, with the cause. */
  readonly onLost?: (worker: number, cause: Error) => void;
  /** Called when the number of workers that are ready changes. */
  readonly onReady?: (ready: number) => void;
  readonly faults?: readonly Fault[];
  /** Milliseconds, monotonic; replaced by tests. */
  readonly clock?: () => number;
}

/** What the pool and its threads share, and what each worker's threads get to know. */
export interface PoolLayout {
  readonly signal: CompletionSignal;
  readonly barriers: StepBarriers;
  /** One for each step that may be open. */
  readonly records: readonly UpdateRecord[];
  readonly regions: RegionStore;
  readonly setups: readonly WorkerSetup[];
}

/** What decides how much of the shared memory a pool takes. */
export interface PoolShape
  extends Pick<LocalPoolOptions, 'workers' | 'layout' | 'backend' | 'batch' | 'shardSize' | 'faults'> {
  readonly testSamples: number;
}

/**
 * Takes a pool's places in the shared memory.
 * @throws ModelError if the kernel backend can't run the model
 */
export function allocatePool(memory: Layout, shape: PoolShape) {
  const { layout, workers, backend = 'kernel', batch, shardSize, faults = [] } = shape;
  const shards = batch / shardSize;
  return {
    signal: memory.int32(COMPLETION_SIGNAL_WORDS),
    barriers: memory.int32(BARRIER_WORDS),
    records: Array.from({ length: DEPTH }, () => UpdateRecord.allocate(memory, layout.parameters, shards)),
    regions: RegionStore.allocate(memory, regionsFor(shape)),
    fired: memory.int32(faults.length),
    workers: Array.from({ length: workers }, () => ({
      plan: backend === 'kernel' ? planKernel(layout, shardSize, memory) : undefined,
      mailbox: memory.int32(MAILBOX_WORDS),
      levels: Array.from({ length: depthOf(shards) }, () => memory.parameters(layout.parameters)),
      updateScratch: BlockUpdater.scratch(memory, shards),
    })),
  };
}

/**
 * Lays the pool out in the shared memory.
 * @throws ModelError if the kernel backend can't run the model
 */
export function layOutPool(options: LocalPoolOptions): PoolLayout {
  const { memory, kernel, backend = 'kernel', layout, train, test, sampler, workers, shardSize, faults = [] } = options;
  const places = allocatePool(memory, { ...options, testSamples: test.labels.length });
  const { signal, barriers, records } = places;
  const common = {
    memory: memory.memory,
    kernel,
    backend,
    layout,
    train,
    test,
    sampler,
    shardSize,
    chunkSize: CHUNK_SIZE,
    spinMs: workers <= processorCount() ? SPIN_MS : 0,
    signal,
    barriers,
    updates: records.map(({ plan }) => plan),
    faults: { list: faults, fired: places.fired },
  };
  return {
    signal: new CompletionSignal(signal),
    barriers: new StepBarriers(barriers),
    records,
    regions: new RegionStore(memory, places.regions, layout.parameters),
    setups: places.workers.map((own, worker) => ({ ...common, ...own, worker })),
  };
}

/**
 * Enough regions for as many full assignments of all workers as may be under way, broken off or lent; memory is only taken
 * by those that are used.
 */
function regionsFor({ layout, testSamples, workers, batch, shardSize }: PoolShape): { count: number; bytes: number } {
  const chunks = Math.ceil(testSamples / CHUNK_SIZE);
  const ranges = Math.max(maxRanges(batch / shardSize, workers), maxRanges(chunks, workers));
  const bytes = Math.max(PartialRegion.bytes(layout.parameters), EvaluationRegion.bytes(chunks, CHUNK_SIZE));
  return { count: (DEPTH + 2) * ranges, bytes };
}

/** Bytes of the regions: a calm run uses few of them. */
export function spareBytes(shape: PoolShape): number {
  const { count, bytes } = regionsFor(shape);
  return shape.workers === 0 ? 0 : count * bytes;
}

/** The most ranges of a tree's vertices in an assignment: each cut between two workers, and each end, splits a vertex a level. */
function maxRanges(units: number, workers: number): number {
  const depth = depthOf(units);
  const splits = Array.from({ length: depth }, (_, level) => Math.min(2 ** level, workers - 1));
  return Math.min(
    units,
    splits.reduce((sum, each) => sum + each, 2 * depth + 1),
  );
}
