import { availableParallelism } from 'node:os';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import { depthOf } from '../../shared/engine/tree.ts';
import { BlockUpdater, UpdateRecord } from '../../shared/engine/update.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { planKernel } from '../../shared/engine/wasm/plan.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
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

/**
 * Lays the pool out in the shared memory.
 * @throws ModelError if the kernel backend can't run the model
 */
export function layOutPool(options: LocalPoolOptions): PoolLayout {
  const { memory, layout, workers, batch, shardSize, faults = [] } = options;
  const shards = batch / shardSize;
  const signal = new CompletionSignal(memory.int32(COMPLETION_SIGNAL_WORDS));
  const barriers = new StepBarriers(memory.int32(BARRIER_WORDS));
  const records = Array.from({ length: DEPTH }, () => UpdateRecord.allocate(memory, layout.parameters, shards));
  const regions = regionsFor(options);
  const fired = memory.int32(faults.length);
  const setups = Array.from({ length: workers }, (_, worker) => ({
    ...setupOf(options, worker),
    signal: signal.words,
    barriers: barriers.words,
    updates: records.map(({ plan }) => plan),
    faults: { list: faults, fired },
  }));
  return { signal, barriers, records, regions, setups };
}

function setupOf(
  { memory, kernel, backend = 'kernel', layout, train, test, sampler, workers, batch, shardSize }: LocalPoolOptions,
  worker: number,
): Omit<WorkerSetup, 'signal' | 'barriers' | 'updates' | 'faults'> {
  const shards = batch / shardSize;
  return {
    worker,
    memory: memory.memory,
    kernel,
    backend,
    layout,
    plan: backend === 'kernel' ? planKernel(layout, shardSize, memory) : undefined,
    mailbox: memory.int32(MAILBOX_WORDS),
    train,
    test,
    sampler,
    shardSize,
    chunkSize: CHUNK_SIZE,
    levels: Array.from({ length: depthOf(shards) }, () => memory.parameters(layout.parameters)),
    updateScratch: BlockUpdater.scratch(memory, shards),
    spinMs: workers <= availableParallelism() ? SPIN_MS : 0,
  };
}

/**
 * Enough regions for as many full assignments of every worker as may be under way, broken off or lent; memory is only taken
 * by those that are used.
 */
function regionsFor({ memory, layout, test, workers, batch, shardSize }: LocalPoolOptions): RegionStore {
  const chunks = Math.ceil(test.labels.length / CHUNK_SIZE);
  const rangesOfRun = 2 * Math.max(1, depthOf(batch / shardSize), depthOf(chunks));
  const bytes = Math.max(PartialRegion.bytes(layout.parameters), EvaluationRegion.bytes(chunks, CHUNK_SIZE));
  return new RegionStore(memory, { count: (DEPTH + 2) * workers * rangesOfRun, bytes, parameters: layout.parameters });
}
