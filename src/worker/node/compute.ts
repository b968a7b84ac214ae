import type { Split } from '../../shared/data/dataset.ts';
import type { EvaluatedChunks, EvaluationSizes } from '../../shared/engine/evaluation.ts';
import type { GradientPhases, PartialGradient, PartialState, StateVersion } from '../../shared/engine/executor.ts';
import type { KernelTarget } from '../../shared/engine/kernel-name.ts';
import { addPartials, addStates } from '../../shared/engine/partials.ts';
import type { ReplicaOptions } from '../../shared/engine/replica.ts';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import { stateIn, stateLength, vectorsOf } from '../../shared/engine/state.ts';
import { cover, type ShardRange } from '../../shared/engine/tree.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import { compileKernel, instantiateKernel, type KernelExports } from '../../shared/engine/wasm/exports.ts';
import { bytesOf, type Layout, type SharedMemory } from '../../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { Stopwatch } from '../../shared/util/stopwatch.ts';
import type { SharedSize } from '../pool/capacity.ts';
import { LocalPool } from '../pool/pool.ts';
import { placesInMemory } from '../pool/sample-set.ts';
import { poolSize } from '../pool/setup.ts';

/** Versions of the weights besides one for each thread: the one in use, the next, and those that a slow worker may still read. */
const VERSIONS = 4;
/** Shards for each thread in one call that warms up. */
const WARM_UP_SHARDS = 8;
/** Time of all calls that warm up. */
const WARM_UP_MS = 150;

/** A node that takes no local steps is sent no moments. */
const NO_MOMENTS = new Float32Array();

/** The model and the options of a run that decide what a node computes. */
export interface ComputeConfig {
  readonly layout: ModelLayout;
  /** What the samples are. */
  readonly inputs: 'uint8' | 'float32';
  /** Samples of a step; of one replica's, if the job is cut into replicas. */
  readonly batch: number;
  readonly shardSize: number;
  readonly replicas?: ReplicaOptions | undefined;
  readonly sampler: SamplerOptions;
}

export interface ComputeOptions {
  readonly config: ComputeConfig;
  readonly threads: number;
  readonly kernel: KernelTarget;
  /** The samples, in `memory`, which isn't sealed yet. */
  readonly train: Split;
  readonly test: Split;
  /** Places of the training samples that are only evaluated; the sampler has the others. */
  readonly validation?: Int32Array | undefined;
  readonly memory: SharedMemory;
  readonly onLost?: (worker: number, cause: Error) => void;
}

interface Version extends StateVersion {
  /** Updates done; undefined: never filled. */
  age: number | undefined;
}

/** What computes in a node: a pool of threads, with the weights that the coordinator sent last. */
export class Compute {
  readonly layout: ModelLayout;
  /** The seconds of the last local steps. */
  stateSeconds = { sample: 0, reduce: 0, update: 0 };
  readonly #config: ComputeConfig;
  readonly #threads: number;
  readonly #kernel: KernelExports;
  readonly #pool: LocalPool;
  readonly #versions: readonly Version[];
  readonly #reducing = new Stopwatch();
  #reduced = 0;
  #current: Version;

  constructor({ config, threads, kernel, train, test, validation, memory, ...hooks }: ComputeOptions) {
    this.#config = config;
    this.#threads = threads;
    this.layout = config.layout;
    const compiled = compileKernel(kernel);
    this.#kernel = instantiateKernel(compiled, memory.memory);
    this.#versions = versionsIn(memory, threads, config).map((state) => ({ ...state, readers: 0, age: undefined }));
    this.#current = this.#versions[0] as Version;
    const { batch, shardSize, replicas } = config;
    const { validation: held, ...sampled } = placesInMemory(memory, { train, validation });
    this.#pool = new LocalPool({
      workers: threads,
      memory,
      kernel: compiled,
      layout: this.layout,
      train,
      test,
      validation: held,
      batch,
      shardSize,
      replicas,
      sampler: { ...config.sampler, ...sampled },
      ...hooks,
    });
  }

  /**
   * Takes new weights; `fill` writes them over what it is given, [parameters], with the moments if the node takes local steps.
   * @returns what puts them in use; undefined if too many versions wait for that already
   */
  receiveWeights(age: number, fill: (...vectors: readonly Float32Array[]) => void): (() => void) | undefined {
    const free = this.#versions.find((version) => version !== this.#current && version.readers === 0);
    if (free === undefined) return undefined;
    fill(...(this.#config.replicas === undefined ? [free.values] : vectorsOf(free)));
    free.age = age;
    free.readers++;
    return () => {
      free.readers--;
      this.#current = free;
    };
  }

  /** The version of the weights in use. */
  get age(): number | undefined {
    return this.#current.age;
  }

  get workersReady(): number {
    return this.#pool.ready;
  }

  get workersLost(): number {
    return this.#pool.workersLost;
  }

  /** [threads]: samples whose gradients each thread has computed. */
  get workerSamples(): readonly number[] {
    return this.#pool.workerSamples;
  }

  /** The phases of the last gradient. */
  get phases(): GradientPhases {
    const { sample, compute, reduce } = this.#pool.gradientPhases;
    return { sample, compute, reduce: reduce + this.#reduced };
  }

  /**
   * The gradient sum of each range, with the weights in use. The sums hold until the next gradient.
   * @throws WorkerError if the same shards failed again and again
   */
  async gradient(t: number, ranges: readonly ShardRange[]): Promise<PartialGradient[]> {
    const partials = await this.#pool.gradient({ t, weights: this.#current, ranges });
    this.#reducing.start();
    const sums = ranges.map((range) => addPartials(this.#kernel, partials, range));
    this.#reducing.stop();
    this.#reduced = this.#reducing.take();
    return sums;
  }

  /**
   * The sum of the states of each range of replicas after their local steps, from the state in use. The sums hold until the next ones.
   * @throws WorkerError if the same replica failed again and again
   */
  async states(t: number, steps: number, ranges: readonly ShardRange[]): Promise<PartialState[]> {
    const { partials, seconds } = await this.#pool.replicas({ t, steps, state: this.#current, ranges });
    this.#reducing.start();
    const sums = ranges.map((range) => addStates(this.#kernel, partials, range));
    this.#reducing.stop();
    this.stateSeconds = { ...seconds, reduce: seconds.reduce + this.#reducing.take() };
    return sums;
  }

  /** Computes something, so that the threads are ready and their code is compiled when work comes. */
  async warmUp(): Promise<void> {
    const { batch, shardSize } = this.#config;
    const ranges = cover(batch / shardSize, 0, Math.min(batch / shardSize, WARM_UP_SHARDS * this.#threads));
    const start = performance.now();
    while (performance.now() - start < WARM_UP_MS) await this.gradient(0, ranges);
  }

  /** @throws WorkerError if the same chunks failed again and again */
  evaluate(ranges: readonly ShardRange[]): Promise<EvaluatedChunks[]> {
    return this.#pool.evaluateChunks(this.#current, ranges);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

function versionsIn(memory: Layout, threads: number, { layout, replicas }: ComputeConfig): StateVectors[] {
  return Array.from({ length: VERSIONS + threads }, () => {
    if (replicas !== undefined) return stateIn(memory.float32(stateLength(replicas.shape)), replicas.shape);
    return { values: memory.parameters(layout.parameters), m: NO_MOMENTS, v: undefined };
  });
}

/** Bytes of the shared memory that it takes to compute, besides the data set. */
export function computeSize(
  config: ComputeConfig,
  threads: number,
  { testSamples, validationSamples }: Omit<EvaluationSizes, 'chunkSize'>,
): SharedSize {
  const versions = bytesOf((memory) => versionsIn(memory, threads, config));
  const { augment } = config.sampler;
  const pool = poolSize({ ...config, augment, workers: threads, testSamples, validationSamples });
  return { reserved: versions + pool.reserved, used: versions + pool.used };
}
