import { Cluster } from '../coordinator/cluster/cluster.ts';
import { LocalMember } from '../coordinator/cluster/local-member.ts';
import { Optimizer } from '../coordinator/optimizer.ts';
import { StateStore } from '../coordinator/state.ts';
import type { TrainConfig } from '../shared/config.ts';
import type { Dataset, Split } from '../shared/dataset/dataset.ts';
import { compileKernel, instantiateKernel, type KernelExports } from '../shared/kernel/exports.ts';
import type { SharedMemory } from '../shared/kernel/memory.ts';
import { layoutOf, type ModelLayout } from '../shared/model/layout.ts';
import { lenet5 } from '../shared/model/lenet5.ts';
import type { Fault } from '../worker/faults.ts';
import { DEPTH } from '../worker/mailbox.ts';
import { CHUNK_SIZE, LocalPool, type LocalPoolOptions } from '../worker/pool.ts';
import type { SampleSet } from '../worker/thread.ts';

/** All that computes in this process, over one shared memory. */
export interface Engine {
  readonly layout: ModelLayout;
  readonly kernel: KernelExports;
  /** Weights and moments; all zero at first. */
  readonly state: StateStore;
  readonly optimizer: Optimizer;
  readonly pool: LocalPool;
  /** [test samples] */
  readonly testLabels: Uint8Array;
}

export interface EngineOptions {
  readonly config: TrainConfig;
  /** Where the data set may lie already; not yet sealed. */
  readonly memory: SharedMemory;
  readonly dataset: Dataset;
  readonly onLost?: NonNullable<LocalPoolOptions['onLost']>;
  readonly onReady?: NonNullable<LocalPoolOptions['onReady']>;
  readonly faults?: readonly Fault[];
  /** As `LocalPoolOptions` has it. */
  readonly blocks?: boolean;
}

export interface ClusterEngineOptions extends Omit<EngineOptions, 'blocks'> {
  readonly onLonely: () => void;
}

/** An engine whose threads are one member of a cluster that others can join. */
export interface ClusterEngine extends Engine {
  readonly cluster: Cluster;
}

/** Lays out the shared memory and starts the pool, as the first member of a cluster. */
export function startClusterEngine({ onLonely, ...options }: ClusterEngineOptions): ClusterEngine {
  const { config, memory, dataset } = options;
  const layout = layoutOf(lenet5(config.head, config.rbfJ));
  const cluster = new Cluster({
    ...{ memory, parameters: layout.parameters, shards: config.batch / config.shardSize, onLonely },
    kernel: instantiateKernel(compileKernel(), memory.memory),
    ...{ testSamples: dataset.test.count, chunkSize: CHUNK_SIZE },
  });
  const engine = startEngine({ ...options, blocks: false });
  cluster.join(new LocalMember(engine.pool));
  return { ...engine, cluster };
}

/** Lays out the shared memory and starts the pool. */
export function startEngine({ config, memory, dataset, ...hooks }: EngineOptions): Engine {
  const layout = layoutOf(lenet5(config.head, config.rbfJ));
  const module = compileKernel();
  const kernel = instantiateKernel(module, memory.memory);
  const train = share(memory, dataset.train);
  const test = share(memory, dataset.test);
  const state = new StateStore(memory, {
    parameters: layout.parameters,
    second: config.optimizer !== 'sgd',
    versions: config.workers + DEPTH + 1,
  });
  const { workers, batch, shardSize, seed, augment } = config;
  const pool = new LocalPool({
    ...{ workers, batch, shardSize, memory, layout, train, test, kernel: module },
    sampler: { samples: dataset.train.count, batch, seed, augment },
    ...hooks,
  });
  const optimizer = new Optimizer(kernel, config);
  return { layout, kernel, state, optimizer, pool, testLabels: test.labels };
}

function share(memory: SharedMemory, { images, labels }: Split): SampleSet {
  return { images: memory.hold(images), labels: memory.hold(labels) };
}
