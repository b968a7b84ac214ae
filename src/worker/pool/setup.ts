import { type Dataset, inputKindOf, type Split } from '../../shared/data/dataset.ts';
import { allocateAugmented } from '../../shared/engine/augmentations/augmenter.ts';
import { EvaluationChunks, type EvaluationSizes } from '../../shared/engine/evaluation.ts';
import { type PlanOptions, planProgram } from '../../shared/engine/program/planner.ts';
import { allocateReplica, type ReplicaOptions } from '../../shared/engine/replica.ts';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import type { StateStore } from '../../shared/engine/state.ts';
import { depthOf } from '../../shared/engine/tree.ts';
import { BlockUpdater, UpdateRecord } from '../../shared/engine/update.ts';
import type { CompiledKernel } from '../../shared/engine/wasm/exports.ts';
import { bytesOf, type Layout, type SharedMemory } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { processorCount } from '../../shared/util/processors.ts';
import type { BackendName } from './backend-name.ts';
import { BARRIER_WORDS, StepBarriers } from './barrier.ts';
import type { SharedSize } from './capacity.ts';
import { COMPLETION_SIGNAL_WORDS, CompletionSignal } from './completion-signal.ts';
import type { Fault } from './faults.ts';
import { DEPTH, MAILBOX_WORDS } from './mailbox.ts';
import { allocateRegions, EvaluationRegion, PartialRegion, RegionStore, StateRegion } from './regions.ts';
import { Rounds } from './rounds.ts';
import type { WorkerSetup } from './thread-setup.ts';

/** Samples of one evaluation chunk: part of the determinism contract, since losses are summed by chunks. */
export const CHUNK_SIZE = 200;
/** Milliseconds for which a worker polls before it sleeps: longer than the coordinator's work between two steps. */
const SPIN_MS = 0.3;

export interface LocalPoolOptions {
  readonly workers: number;
  readonly memory: SharedMemory;
  readonly kernel: CompiledKernel;
  readonly layout: ModelLayout;
  /** Default: kernel. Reduction and updates are the kernel's with any. */
  readonly backend?: BackendName;
  /** In `memory`. */
  readonly train: Split;
  readonly test: Split;
  /** Places of the training samples that are only evaluated, in `memory`. */
  readonly validation?: Int32Array | undefined;
  /** Samples of a step; of one replica's, if the job is cut into replicas. */
  readonly batch: number;
  readonly shardSize: number;
  readonly sampler: SamplerOptions;
  /** Undefined if the job isn't cut into replicas. */
  readonly replicas?: ReplicaOptions | undefined;
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
  readonly regions: RegionStore<PartialRegion>;
  /** Of replicas, and the states of local steps that all threads take together. */
  readonly rounds: { readonly states: RegionStore<StateRegion>; readonly together: StateStore | undefined } | undefined;
  readonly chunks: EvaluationChunks;
  readonly setups: readonly WorkerSetup[];
}

/** What decides how much of the shared memory a pool takes. */
export interface PoolShape
  extends Pick<LocalPoolOptions, 'workers' | 'layout' | 'backend' | 'batch' | 'shardSize' | 'replicas' | 'faults'> {
  readonly testSamples: number;
  /** The most there may be. */
  readonly validationSamples?: number;
  /** As the planner takes them. */
  readonly seed?: PlanOptions['seed'];
  readonly inputs?: PlanOptions['inputs'];
  readonly augment: SamplerOptions['augment'];
}

/** The sizes of what an evaluation of a data set's model evaluates. */
export function evaluatedOf({ test, validation }: Pick<Dataset, 'test' | 'validation'>): EvaluationSizes {
  return { testSamples: test.count, validationSamples: validation?.length ?? 0, chunkSize: CHUNK_SIZE };
}

/** What all workers share. */
function allocateShared(memory: Layout, shape: PoolShape) {
  const { layout, batch, shardSize, replicas, workers, faults = [] } = shape;
  return {
    signal: memory.int32(COMPLETION_SIGNAL_WORDS),
    barriers: memory.int32(BARRIER_WORDS),
    records: Array.from({ length: DEPTH }, () => UpdateRecord.allocate(memory, layout, batch / shardSize)),
    regions: allocateRegions(memory, regionsFor(shape)),
    states: replicas && allocateRegions(memory, statesFor(replicas, workers)),
    together: replicas && Rounds.allocate(memory, replicas, workers),
    fired: memory.int32(faults.length),
  };
}

/** What each worker has of its own. @throws ModelError if the kernel backend can't run the model */
function allocateWorker(memory: Layout, shape: PoolShape) {
  const { layout, backend = 'kernel', batch, shardSize, replicas, seed, inputs, augment } = shape;
  const shards = batch / shardSize;
  const plan = backend === 'kernel' ? planProgram(layout, { shardSize, seed, inputs }, memory) : undefined;
  const count = shardSize * (plan?.shardsAtOnce ?? 1);
  return {
    plan,
    augmented: allocateAugmented(memory, { augment, layout, inputs, count }),
    mailbox: memory.int32(MAILBOX_WORDS),
    levels: Array.from({ length: depthOf(shards) }, () => memory.parameters(layout.parameters)),
    updateScratch: BlockUpdater.scratch(memory, shards),
    replicas: replicas && { ...replicas, memory: allocateReplica(memory, layout, replicas.shape) },
  };
}

/** Bytes of the shared memory that a pool takes. */
export function poolSize(shape: PoolShape): SharedSize {
  if (shape.workers === 0) return { reserved: 0, used: 0 };
  const own = shape.workers * bytesOf((layout) => allocateWorker(layout, shape));
  const { count, bytes } = regionsFor(shape);
  const reserved = own + bytesOf((layout) => allocateShared(layout, shape));
  // A calm run uses few of the regions.
  return { reserved, used: reserved - count * bytes };
}

/**
 * Lays the pool out in the shared memory.
 * @throws ModelError if the kernel backend can't run the model
 */
export function layOutPool(options: LocalPoolOptions): PoolLayout {
  const { memory, kernel, backend = 'kernel', layout, train, test, validation, workers, shardSize } = options;
  const { sampler, replicas, faults = [] } = options;
  const { seed, augment } = sampler;
  const evaluated = evaluatedOf(options);
  const shape = { ...options, ...evaluated, seed, augment, inputs: inputKindOf(train) };
  const { signal, barriers, records, ...places } = allocateShared(memory, shape);
  const common = {
    memory: memory.memory,
    kernel,
    backend,
    layout,
    train,
    test,
    validation,
    sampler,
    shardSize,
    evaluated,
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
    regions: new RegionStore(places.regions, (at) => new PartialRegion(memory.memory.buffer, at, layout.parameters)),
    rounds: replicas && {
      states: new RegionStore(
        places.states ?? [],
        (at) => new StateRegion(memory.memory.buffer, at, replicas.shape, replicas.steps),
      ),
      together: places.together,
    },
    chunks: new EvaluationChunks(evaluated),
    setups: Array.from({ length: workers }, (_, worker) => ({ ...common, ...allocateWorker(memory, shape), worker })),
  };
}

/**
 * Enough regions for as many full assignments of all workers as may be under way, broken off or lent; memory is only taken
 * by those that are used.
 */
function regionsFor({ layout, workers, batch, shardSize, ...evaluated }: PoolShape): { count: number; bytes: number } {
  const { testSamples, validationSamples = 0 } = evaluated;
  const { count: chunks } = new EvaluationChunks({ testSamples, validationSamples, chunkSize: CHUNK_SIZE });
  const ranges = Math.max(maxRanges(batch / shardSize, workers), maxRanges(chunks, workers));
  const bytes = Math.max(PartialRegion.bytes(layout.parameters), EvaluationRegion.bytes(chunks, CHUNK_SIZE));
  return { count: (DEPTH + 2) * ranges, bytes };
}

/** A state for each replica, another one if it is computed twice, and one for each attempt that may be slow besides. */
function statesFor({ replicas, shape, steps }: ReplicaOptions, workers: number): { count: number; bytes: number } {
  return { count: 2 * replicas + workers, bytes: StateRegion.bytes(shape, steps) };
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
