import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { type Engine, startEngine } from '../../coordinator/engine.ts';
import { HashChain } from '../../coordinator/train/hash-chain.ts';
import { together } from '../../coordinator/train/observer.ts';
import { train } from '../../coordinator/train/train.ts';
import { resolveTrainConfig, type TrainConfig } from '../../shared/config/config.ts';
import { chooseKernel } from '../../shared/engine/kernel-choice.ts';
import type { KernelTarget } from '../../shared/engine/kernel-name.ts';
import { Optimizer } from '../../shared/engine/optimizer.ts';
import { depthOf } from '../../shared/engine/tree.ts';
import { BlockUpdater, type StateVectors, UpdateRecord } from '../../shared/engine/update.ts';
import { instantiateKernel } from '../../shared/engine/wasm/exports.ts';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { initialWeights } from '../../shared/model/initialize.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { splitBySpeed } from '../../shared/scheduler/split-by-speed.ts';
import { BlockWork } from '../../worker/pool/block-work.ts';
import type { MeasureTask, StepPart } from '../../worker/pool/measure.ts';
import { placeInMemory } from '../../worker/pool/sample-set.ts';
import { benchDataset } from './images.ts';
import { kernelTask } from './kernel.ts';
import { median } from './median.ts';

const SECONDS = 1;

export interface CoordinationFigures {
  readonly batch: number;
  readonly workers: number;
  /** Training, with everything that a step does, in samples per second. */
  readonly training: number;
  /** The sum of the samples per second of as many kernels side by side, without any wait. */
  readonly kernels: number;
  /** The same kernels with a bare barrier once a batch: what any step costs on this machine. */
  readonly meeting: number;
  /** As many workers side by side that do a step's whole work (sample, compute, reduce, update a slice), without any wait. */
  readonly working: number;
  /** Medians of the rounds' shares, 0..1: of the kernels' speed, by meeting and by training; and of the workers' speed, by training. */
  readonly lostByMeeting: number;
  readonly lost: number;
  readonly lostToCoordination: number;
}

/** What a step costs beside the gradients, in interleaved rounds at the default batch. */
export async function benchCoordination(
  workers: number,
  target: KernelTarget,
  count: number,
): Promise<CoordinationFigures> {
  const { config: defaults } = resolveTrainConfig({ flags: {}, env: {} });
  const config = { ...defaults, kernel: target, workers, iterations: 1500, evaluateEvery: 0, checkpointEvery: 0 };
  const dataset = benchDataset(modelOf(config));
  const engine = startEngine({ config, memory: new SharedMemory(), dataset });
  const alone = new SideBySide(
    Array.from({ length: workers }, () => kernelTask(config.shardSize, SECONDS, { target })),
  );
  const whole = new SideBySide(Array.from({ length: workers }, (_, worker) => stepTask(config, worker)));
  const rounds: { kernels: number; meeting: number; working: number; training: number }[] = [];
  try {
    for (let round = -1; round < count; round++) {
      const speeds = {
        kernels: await alone.measure(),
        meeting: await alone.measure({ meets: true }),
        working: await whole.measure(),
        training: await trainingSpeed(engine, config),
      };
      // The first round warms up.
      if (round >= 0) rounds.push(speeds);
    }
  } finally {
    await Promise.all([engine.pool.close(), alone.close(), whole.close()]);
  }
  const of = (value: (speeds: (typeof rounds)[number]) => number): number => median(rounds.map(value));
  return {
    batch: config.batch,
    workers,
    kernels: of(({ kernels }) => kernels),
    meeting: of(({ meeting }) => meeting),
    working: of(({ working }) => working),
    training: of(({ training }) => training),
    lostByMeeting: of(({ meeting, kernels }) => 1 - meeting / kernels),
    lost: of(({ training, kernels }) => 1 - training / kernels),
    lostToCoordination: of(({ training, working }) => 1 - training / working),
  };
}

/** A run from initial weights, with everything that a step does: samples per second. */
export async function trainingSpeed(engine: Engine, config: TrainConfig): Promise<number> {
  const { layout, kernel, state, optimizer, pool: executor, answers } = engine;
  state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  const { trained } = await train({
    config,
    executor,
    state,
    optimizer,
    answers,
    observer: together([]),
    from: { step: 0 },
    chain: new HashChain(),
    checkpoint: () => {},
    stop: new AbortController().signal,
  });
  return (trained.steps * config.batch) / trained.seconds;
}

/** One worker's part of every step, in a memory of its own: the other workers' partials, which nobody writes here, are read all the same. */
function stepTask(config: TrainConfig, worker: number): Omit<MeasureTask, 'barrier'> {
  const { batch, shardSize, workers, seed } = config;
  const { target } = chooseKernel(config.kernel);
  const memory = new SharedMemory();
  const task = kernelTask(shardSize, SECONDS, { target, memory });
  const layout = modelOf(config);
  const { parameters } = layout;
  const images = benchDataset(layout).train;
  const shards = batch / shardSize;
  // As the pool splits them over workers of one speed.
  const speeds = Array.from({ length: workers }, () => 1);
  const ranges = splitBySpeed(shards, [{ begin: 0, end: shards }], speeds).map((share) =>
    share.map((range) => ({ range, gradient: memory.parameters(parameters) })),
  );
  const vectors = (values: Float32Array): StateVectors => {
    return { values, m: memory.parameters(parameters), v: memory.parameters(parameters) };
  };
  const record = UpdateRecord.allocate(memory, layout, shards);
  const kernel = instantiateKernel(task.kernel, memory.memory);
  record.write({
    ...new Optimizer(kernel, config).update(0),
    partials: ranges.flat(),
    current: vectors(task.weights),
    next: vectors(memory.parameters(parameters)),
  });
  const part: StepPart = {
    sampler: { samples: images.count, batch, seed, augment: 'shift' },
    train: placeInMemory(memory, images),
    shardSize,
    levels: Array.from({ length: depthOf(shards) }, () => memory.parameters(parameters)),
    ranges: ranges[worker] ?? [],
    update: record.plan,
    scratch: BlockUpdater.scratch(memory, shards),
    blocks: new BlockWork(record.blocks).take(workers)[worker] ?? { begin: 0, end: 0 },
  };
  return { ...task, part };
}

/** Tasks in threads of their own. */
class SideBySide {
  readonly #piscina: Piscina;
  readonly #tasks: readonly Omit<MeasureTask, 'barrier'>[];

  constructor(tasks: readonly Omit<MeasureTask, 'barrier'>[]) {
    this.#piscina = new Piscina({
      filename: fileURLToPath(new URL(`../../worker/pool/measure${extname(import.meta.url)}`, import.meta.url)),
      name: 'measure',
      minThreads: tasks.length,
      maxThreads: tasks.length,
    });
    this.#tasks = tasks;
  }

  /** The sum of their samples per second, without communication or with a barrier after every call. */
  async measure({ meets = false } = {}): Promise<number> {
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
