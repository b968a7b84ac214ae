import type { Split } from '../../shared/data/dataset.ts';
import type { EvaluatedChunks, EvaluationSizes } from '../../shared/engine/evaluation.ts';
import type { GradientPhases, PartialGradient, WeightsVersion } from '../../shared/engine/executor.ts';
import type { KernelTarget } from '../../shared/engine/kernel-name.ts';
import { addPartials } from '../../shared/engine/partials.ts';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import { cover, type ShardRange } from '../../shared/engine/tree.ts';
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

/** The model and the options of a run that decide what a node computes. */
export interface ComputeConfig {
  readonly layout: ModelLayout;
  /** What the samples are. */
  readonly inputs: 'uint8' | 'float32';
  readonly batch: number;
  readonly shardSize: number;
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

interface Version extends WeightsVersion {
  /** Updates done; undefined: never filled. */
  age: number | undefined;
}

/** What computes in a node: a pool of threads, with the weights that the coordinator sent last. */
export class Compute {
  readonly layout: ModelLayout;
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
    const { parameters } = this.layout;
    this.#versions = versionsIn(memory, threads, parameters).map((values) => ({ values, readers: 0, age: undefined }));
    this.#current = this.#versions[0] as Version;
    const { batch, shardSize } = config;
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
      sampler: { ...config.sampler, ...sampled },
      ...hooks,
    });
  }

  /**
   * Takes new weights; `fill` writes them over what it is given, [parameters].
   * @returns what puts them in use; undefined if too many versions wait for that already
   */
  receiveWeights(age: number, fill: (values: Float32Array) => void): (() => void) | undefined {
    const free = this.#versions.find((version) => version !== this.#current && version.readers === 0);
    if (free === undefined) return undefined;
    fill(free.values);
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

function versionsIn(memory: Layout, threads: number, parameters: number): Float32Array[] {
  return Array.from({ length: VERSIONS + threads }, () => memory.parameters(parameters));
}

/** Bytes of the shared memory that it takes to compute, besides the data set. */
export function computeSize(
  config: ComputeConfig,
  threads: number,
  { testSamples, validationSamples }: Omit<EvaluationSizes, 'chunkSize'>,
): SharedSize {
  const versions = bytesOf((memory) => versionsIn(memory, threads, config.layout.parameters));
  const { augment } = config.sampler;
  const pool = poolSize({ ...config, augment, workers: threads, testSamples, validationSamples });
  return { reserved: versions + pool.reserved, used: versions + pool.used };
}
