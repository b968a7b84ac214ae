import { augmentOf } from '../shared/config/augment-option.ts';
import type { TrainConfig } from '../shared/config/config.ts';
import { classWeightsOf } from '../shared/config/loss-options.ts';
import { type Dataset, type DatasetShape, shapeOf } from '../shared/data/dataset.ts';
import { bytesHeld } from '../shared/data/limits.ts';
import { DEFAULT_SET } from '../shared/data/registry.ts';
import { maxHeldBack } from '../shared/data/validation.ts';
import { chooseKernel } from '../shared/engine/kernel-choice.ts';
import { Optimizer } from '../shared/engine/optimizer.ts';
import { replicasOf, stateShapeOf } from '../shared/engine/replica.ts';
import { StateStore, type StateStoreOptions } from '../shared/engine/state.ts';
import { compileKernel, instantiateKernel, type KernelExports } from '../shared/engine/wasm/exports.ts';
import { bytesOf, type SharedMemory } from '../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../shared/model/layout.ts';
import { modelOf } from '../shared/model/registry.ts';
import type { SharedSize } from '../worker/pool/capacity.ts';
import type { Fault } from '../worker/pool/faults.ts';
import { DEPTH } from '../worker/pool/mailbox.ts';
import { LocalPool } from '../worker/pool/pool.ts';
import { allocatePlaces, placeInMemory, placesInMemory } from '../worker/pool/sample-set.ts';
import { evaluatedOf, type LocalPoolOptions, poolSize } from '../worker/pool/setup.ts';
import { Cluster, type ClusterOptions } from './cluster/cluster.ts';
import { GradientAuditor } from './cluster/gradient-auditor.ts';
import { LocalMember } from './cluster/local-member.ts';
import { ReplicaAuditor } from './cluster/replica-auditor.ts';
import { answersOf, type TestAnswers } from './train/test-answers.ts';

/** The model, its state and its optimizer, over one shared memory. */
interface Core {
  readonly layout: ModelLayout;
  readonly kernel: KernelExports;
  /** Weights and moments, initially zero. */
  readonly state: StateStore;
  readonly optimizer: Optimizer;
  readonly answers: TestAnswers;
}

/** Training by the threads of this process alone. */
export interface Engine extends Core {
  readonly pool: LocalPool;
}

/** Training by the members of a cluster; the threads of this process, if there are any, are its first member. */
export interface ClusterEngine extends Core {
  readonly cluster: Cluster;
  readonly pool: LocalPool | undefined;
}

export interface EngineOptions {
  readonly config: TrainConfig;
  /** Not sealed yet; it may hold the data set already. */
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
  readonly onLost?: NonNullable<LocalPoolOptions['onLost']>;
  readonly onReady?: NonNullable<LocalPoolOptions['onReady']>;
  readonly faults?: readonly Fault[];
  /** The pool's clock in place of the real one. */
  readonly clock?: () => number;
}

/** Lays out the shared memory and starts the pool. @throws BackendError if the backend can't be used */
export function startEngine(options: EngineOptions): Engine {
  const { core, startPool } = layOut(options);
  return { ...core, pool: startPool() };
}

/** Lays out the shared memory and, if the config has workers, starts the pool as the first member of a cluster. */
export function startClusterEngine(
  options: EngineOptions & Pick<ClusterOptions, 'onNoMembers' | 'onForecast' | 'stop'>,
): ClusterEngine {
  const { config, memory, dataset, onNoMembers, onForecast, stop } = options;
  const { core, train, sampler, replicas, startPool } = layOut(options);
  const { layout, kernel } = core;
  const { shardSize } = config;
  const shards = config.batch / shardSize;
  const auditor = new GradientAuditor({ memory, kernel, layout, sampler, train, shardSize, shards });
  const rounds = replicas && {
    replicas,
    auditor: new ReplicaAuditor({ ...replicas, memory, kernel, layout, gradients: auditor }),
  };
  const cluster = new Cluster({
    ...(stop && { stop }),
    memory,
    kernel,
    auditor,
    onNoMembers,
    onForecast,
    layout,
    shards,
    rounds,
    evaluated: evaluatedOf(dataset),
  });
  const pool = config.workers === 0 ? undefined : startPool();
  if (pool !== undefined) cluster.join(new LocalMember(pool));
  return { ...core, cluster, pool };
}

function layOut({ config, memory, dataset, onLost, onReady, faults = [], clock }: EngineOptions) {
  const layout = modelOf({ ...config, classWeights: classWeightsOf(config, dataset) }, dataset);
  const compiled = compileKernel(chooseKernel(config.kernel).target);
  const kernel = instantiateKernel(compiled, memory.memory);
  const train = placeInMemory(memory, dataset.train);
  const test = placeInMemory(memory, dataset.test);
  const { validation, ...sampled } = placesInMemory(memory, dataset);
  const state = new StateStore(memory, stateOptions(config, layout));
  const { backend, workers, batch, shardSize, seed } = config;
  const replicas = replicasOf(config, layout);
  const sampler = { ...sampled, batch, seed, augment: augmentOf(config, shapeOf(dataset)) };
  const startPool = (): LocalPool =>
    new LocalPool({
      backend,
      workers,
      batch: batch / config.replicas,
      shardSize,
      replicas,
      memory,
      layout,
      train,
      test,
      validation,
      faults,
      kernel: compiled,
      sampler,
      ...(onLost && { onLost }),
      ...(onReady && { onReady }),
      ...(clock && { clock }),
    });
  const optimizer = new Optimizer(kernel, config);
  return {
    core: { layout, kernel, state, optimizer, answers: answersOf(layout, dataset) },
    train,
    sampler,
    replicas,
    startPool,
  };
}

function stateOptions(config: TrainConfig, layout: ModelLayout): StateStoreOptions {
  return { ...stateShapeOf(config, layout.parameters), versions: config.workers + DEPTH + 1 };
}

/** Bytes of the shared memory of a run: its data set and its engine. */
export function memorySize(config: TrainConfig, dataset: DatasetShape = DEFAULT_SET.shape): SharedSize {
  const layout = modelOf(config);
  const { samples, testSamples, inputs } = dataset;
  const validationSamples = maxHeldBack(config.validation, samples);
  const replicas = replicasOf(config, layout);
  const batch = config.batch / config.replicas;
  const shape = {
    ...config,
    batch,
    replicas,
    layout,
    testSamples,
    validationSamples,
    inputs,
    augment: augmentOf(config, dataset),
  };
  const pool = poolSize(shape);
  const others = bytesOf((memory) => {
    memory.allocate(bytesHeld(dataset));
    if (validationSamples > 0) allocatePlaces(memory, samples);
    new StateStore(memory, stateOptions(config, layout));
    if (config.listen === undefined) return;
    const shards = config.batch / config.shardSize;
    GradientAuditor.allocate(memory, { ...shape, shards });
    if (replicas !== undefined) ReplicaAuditor.allocate(memory, layout, replicas);
    Cluster.allocate(memory, { layout, shards, replicas });
  });
  return { reserved: others + pool.reserved, used: others + pool.used };
}
