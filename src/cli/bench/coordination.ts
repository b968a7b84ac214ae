import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { HashChain } from '../../coordinator/hash-chain.ts';
import { together } from '../../coordinator/observer.ts';
import { train } from '../../coordinator/train.ts';
import { resolveTrainConfig, type TrainConfig } from '../../shared/config.ts';
import { SharedMemory } from '../../shared/kernel/memory.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import { type Engine, startEngine } from '../engine.ts';
import { benchDataset } from './images.ts';
import { kernelTask } from './kernel.ts';
import { median } from './median.ts';

const SECONDS = 1;

export interface CoordinationFigures {
  readonly batch: number;
  readonly workers: number;
  /** Training, with everything that a step does, in samples per second. */
  readonly training: number;
  /** As many kernels side by side that wait for nobody: the sum of their samples per second. */
  readonly kernels: number;
  /** The same kernels where they meet at a bare barrier once a batch: what any step costs on this machine. */
  readonly meeting: number;
  /** Median of the rounds' shares, 0..1, of training and of the meeting kernels. */
  readonly lost: number;
  readonly lostByMeeting: number;
}

/** What waiting for each other, reducing and updating cost, in interleaved rounds at the default batch. */
export async function benchCoordination(workers: number, rounds: number): Promise<CoordinationFigures> {
  const { config: defaults } = resolveTrainConfig({ flags: {}, env: {} });
  const config = { ...defaults, workers, iterations: 1500, evaluateEvery: 0, checkpointEvery: 0 };
  const engine = startEngine({ config, memory: new SharedMemory(), dataset: benchDataset() });
  const kernels = new SideBySide(workers, config.shardSize);
  const training: number[] = [];
  const meeting: number[] = [];
  const side: number[] = [];
  try {
    for (let round = -1; round < rounds; round++) {
      const [alone, met] = [await kernels.measure(false), await kernels.measure(true)];
      const trained = await trainingSpeed(engine, config);
      // The first round warms up.
      if (round < 0) continue;
      side.push(alone);
      meeting.push(met);
      training.push(trained);
    }
  } finally {
    await Promise.all([engine.pool.close(), kernels.close()]);
  }
  const lost = (speeds: number[]): number => median(speeds.map((speed, i) => 1 - speed / (side[i] ?? Number.NaN)));
  return {
    ...{ batch: config.batch, workers },
    ...{ training: median(training), meeting: median(meeting), kernels: median(side) },
    ...{ lost: lost(training), lostByMeeting: lost(meeting) },
  };
}

/** A run from initial weights, with everything that a step does: samples per second. */
export async function trainingSpeed(engine: Engine, config: TrainConfig): Promise<number> {
  const { layout, kernel, state, optimizer, pool: executor, testLabels } = engine;
  state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  const { trained } = await train({
    ...{ config, executor, state, optimizer, testLabels, observer: together([]) },
    from: { step: 0 },
    chain: new HashChain(),
    checkpoint: () => {},
    stop: new AbortController().signal,
  });
  return (trained.steps * config.batch) / trained.seconds;
}

/** Kernels in threads of their own. */
class SideBySide {
  readonly #piscina: Piscina;
  readonly #tasks: readonly ReturnType<typeof kernelTask>[];

  constructor(workers: number, shardSize: number) {
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL(`../../worker/measure${extname(import.meta.url)}`, import.meta.url)),
      name: 'measure',
      minThreads: workers,
      maxThreads: workers,
    });
    this.#tasks = Array.from({ length: workers }, () => kernelTask(shardSize, SECONDS));
  }

  /** The sum of their samples per second, without a word between them or meeting after every call. */
  async measure(meets: boolean): Promise<number> {
    const threads = this.#tasks.length;
    const barrier = new Int32Array(new SharedArrayBuffer(4)).fill(threads);
    const meet = { threads, words: new Int32Array(new SharedArrayBuffer(8)) };
    const more = { barrier, ...(meets ? { meet } : {}) };
    const runs = this.#tasks.map((task) => this.#piscina.run({ ...task, ...more }) as Promise<number>);
    return (await Promise.all(runs)).reduce((sum, speed) => sum + speed, 0);
  }

  close(): Promise<void> {
    return this.#piscina.destroy();
  }
}
