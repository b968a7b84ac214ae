import { Stopwatch } from '../util/stopwatch.ts';
import type { Backend } from './backend.ts';
import { Optimizer, type OptimizerConfig } from './optimizer.ts';
import { optimizerOf } from './optimizers/registry.ts';
import type { RoundFigures } from './round-figures.ts';
import type { UpdateLayout } from './segments.ts';
import { type StateShape, squaredDistance, stateIn, stateLength } from './state.ts';
import type { TreeGradient } from './tree-gradient.ts';
import { BlockUpdater, type StateVectors, UpdateRecord, type UpdateRecordPlan } from './update.ts';
import type { KernelExports } from './wasm/exports.ts';
import type { Layout } from './wasm/memory.ts';

/** How a job is cut into replicas, each of which takes local steps by itself (docs/determinism.md). */
export interface ReplicaOptions {
  /** A power of two. */
  readonly replicas: number;
  /** The most local steps of a round. */
  readonly steps: number;
  /** Shards of one replica's step. */
  readonly shards: number;
  /** `batch` is the samples of one replica's step. */
  readonly optimizer: OptimizerConfig;
  readonly shape: StateShape;
}

/** The options of a run that decide how it is cut into replicas. */
export interface ReplicaConfig extends OptimizerConfig {
  readonly replicas: number;
  readonly syncEvery: number;
  readonly shardSize: number;
}

/** Undefined if the job isn't cut into replicas. */
export function replicasOf(
  config: ReplicaConfig,
  { parameters }: Pick<UpdateLayout, 'parameters'>,
): ReplicaOptions | undefined {
  const { replicas, syncEvery, shardSize } = config;
  if (replicas === 1) return undefined;
  const batch = config.batch / replicas;
  const shape = stateShapeOf(config, parameters);
  return { replicas, steps: syncEvery, shards: batch / shardSize, optimizer: { ...config, batch }, shape };
}

export function stateShapeOf({ optimizer }: Pick<OptimizerConfig, 'optimizer'>, parameters: number): StateShape {
  return { parameters, hasSecondMoments: optimizerOf(optimizer).hasSecondMoments };
}

/** Where a thread keeps what it needs for local steps; in shared memory. */
export interface ReplicaMemory {
  /** [parameters] */
  readonly gradient: Float32Array;
  readonly update: UpdateRecordPlan;
  readonly scratch: readonly Float32Array[];
  /** [stateLength]: every second local step writes here, the others write the result's place. */
  readonly state: Float32Array;
}

/** The local steps of one replica. */
export interface ReplicaWork {
  readonly replica: number;
  /** Updates done before the first one. */
  readonly t: number;
  readonly steps: number;
  /** The common state, which is only read. */
  readonly from: StateVectors;
  /** Receives the state after the last step. */
  readonly target: StateVectors;
  /** Receives what the steps found. */
  readonly figures: RoundFigures;
}

/** The gradient of a replica's step is one partial, the whole tree of its update. */
const WHOLE = { begin: 0, end: 1 };

export function allocateReplica(memory: Layout, layout: UpdateLayout, shape: StateShape): ReplicaMemory {
  return {
    gradient: memory.parameters(layout.parameters),
    update: UpdateRecord.allocate(memory, layout, WHOLE.end).plan,
    scratch: BlockUpdater.scratch(memory, WHOLE.end),
    state: memory.float32(stateLength(shape)),
  };
}

export interface ReplicaTrainerOptions extends ReplicaOptions {
  readonly memory: ReplicaMemory;
  readonly kernel: KernelExports;
  readonly backend: Backend;
  readonly tree: TreeGradient;
  /** Called before each local step. */
  readonly onStep?: (t: number) => void;
}

/** Takes the local steps of replicas in the calling thread. */
export class ReplicaTrainer {
  /** Runs during updates. */
  readonly updating = new Stopwatch();
  readonly #options: ReplicaTrainerOptions;
  readonly #optimizer: Optimizer;
  readonly #record: UpdateRecord;
  readonly #updater: BlockUpdater;
  readonly #scratch: StateVectors;

  constructor(options: ReplicaTrainerOptions) {
    const { memory, kernel, optimizer, shape } = options;
    this.#options = options;
    this.#optimizer = new Optimizer(kernel, optimizer);
    this.#record = new UpdateRecord(memory.update);
    this.#updater = new BlockUpdater(kernel, memory.update, memory.scratch);
    this.#scratch = stateIn(memory.state, shape);
  }

  /** Ends early at a loss or gradient norm that isn't finite: the round won't be applied. */
  train({ replica, t, steps, from, target, figures }: ReplicaWork): void {
    const { backend, tree, memory, replicas, shards, onStep } = this.#options;
    const range = { begin: replica * shards, end: (replica + 1) * shards };
    figures.clear();
    let current = from;
    for (let step = 0; step < steps; step++) {
      onStep?.(t + step);
      // Alternately, so that the last one writes the target.
      const next = (steps - step) % 2 === 1 ? target : this.#scratch;
      backend.setWeights(current.values);
      const sums = tree.sum(t + step, range, memory.gradient);
      this.updating.start();
      const gradientNorm = this.#update(t + step, current, next);
      this.updating.stop();
      if (!figures.set(step, { ...sums, gradientNorm }, step * replicas + replica)) return;
      current = next;
    }
    figures.moved = squaredDistance(target.values, from.values);
  }

  /** @returns the norm of the mean gradient, before clipping */
  #update(t: number, current: StateVectors, next: StateVectors): number {
    const partials = [{ range: WHOLE, gradient: this.#options.memory.gradient }];
    const blocks = { begin: 0, end: this.#record.blocks };
    this.#record.write({ ...this.#optimizer.update(t), partials, current, next });
    this.#updater.apply(blocks);
    const norm = this.#optimizer.normOf(this.#record.squares());
    const clipped = this.#optimizer.clipped(t, norm);
    if (clipped !== undefined) {
      this.#record.rewrite(clipped);
      this.#updater.apply(blocks);
    }
    return norm;
  }
}
