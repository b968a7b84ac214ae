import { type Engine, startEngine } from '../../coordinator/engine.ts';
import { resolveTrainConfig, type TrainConfig } from '../../shared/config/config.ts';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { trainingSpeed } from './coordination.ts';
import { benchDataset } from './images.ts';
import { median } from './median.ts';

const BATCHES = [32, 128, 512];
const WORKERS = [1, 2];
/** About how long a measurement takes. */
const SECONDS = 1;
const FIRST_STEPS = 20;

export interface BackendFigures {
  readonly batch: number;
  readonly workers: number;
  /** Training, with everything that a step does, in samples per second. */
  readonly kernel: number;
  readonly tfjs: number;
  /** Median of the rounds' ratios, kernel to tfjs. */
  readonly ratio: number;
}

/**
 * Both backends side by side in interleaved rounds, each as fast as it gets: the kernel with its usual shards, tfjs with one
 * shard a worker, since every call of it costs much by itself.
 * @throws BackendError if tfjs isn't set up
 */
export async function benchBackends(
  rounds: number,
  onFigures: (figures: BackendFigures) => void,
): Promise<BackendFigures[]> {
  const figures: BackendFigures[] = [];
  for (const batch of BATCHES) {
    for (const workers of WORKERS) {
      const figure = await sideBySide({ batch, workers }, rounds);
      figures.push(figure);
      onFigures(figure);
    }
  }
  return figures;
}

async function sideBySide(size: Pick<TrainConfig, 'batch' | 'workers'>, rounds: number): Promise<BackendFigures> {
  const { batch, workers } = size;
  const kernel = new Runner({ ...size, backend: 'kernel' });
  const tfjs = new Runner({ ...size, backend: 'tfjs', shardSize: batch / workers });
  const speeds: [number, number][] = [];
  try {
    await kernel.warmUp();
    await tfjs.warmUp();
    for (let round = 0; round < rounds; round++) speeds.push([await kernel.measure(), await tfjs.measure()]);
  } finally {
    await Promise.all([kernel.close(), tfjs.close()]);
  }
  return {
    batch,
    workers,
    kernel: median(speeds.map(([own]) => own)),
    tfjs: median(speeds.map(([, other]) => other)),
    ratio: median(speeds.map(([own, other]) => own / other)),
  };
}

/** An engine that trains over and over again. */
class Runner {
  readonly #config: TrainConfig;
  readonly #engine: Engine;
  #steps = FIRST_STEPS;

  constructor(options: Partial<TrainConfig>) {
    const { config } = resolveTrainConfig({ flags: {}, env: {} });
    this.#config = { ...config, ...options, iterations: 1e6, evaluateEvery: 0, checkpointEvery: 0, hashEvery: 0 };
    this.#engine = startEngine({
      config: this.#config,
      memory: new SharedMemory(),
      dataset: benchDataset(modelOf(this.#config)),
    });
  }

  /** Starts every worker, lets the engine compile, and finds the number of steps of a measurement. */
  async warmUp(): Promise<void> {
    await this.measure();
    const speed = await this.measure();
    this.#steps = Math.max(FIRST_STEPS, Math.round((speed * SECONDS) / this.#config.batch));
    await this.measure();
  }

  /** Samples per second. */
  measure(): Promise<number> {
    return trainingSpeed(this.#engine, { ...this.#config, iterations: this.#steps });
  }

  close(): Promise<void> {
    return this.#engine.pool.close();
  }
}
