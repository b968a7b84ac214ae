import { benchDataset } from '#src/cli/bench/images.js';
import { type Engine, startEngine } from '#src/coordinator/engine.js';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import { type StepObserver, together } from '#src/coordinator/train/observer.js';
import { train } from '#src/coordinator/train/train.js';
import { resolveTrainConfig, type TrainConfig } from '#src/shared/config/config.js';
import type { KernelTarget } from '#src/shared/engine/kernel-name.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { version } from '#src/shared/util/version.js';
import { type Job, type Measured, measured, type Trainer, withoutDropout } from './trainer.ts';

/** As many as a run may have: measurements continue it. */
const ITERATIONS = 1e6;

/** A run as `lockstep train` has it: loop, sampling, gradients, reduction, update, the loss of every step. */
class Run {
  readonly #config: TrainConfig;
  readonly #engine: Engine;
  #step = 0;

  constructor({ layout, train, batch, learningRate, weights }: Job, workers: number, kernel: KernelTarget) {
    const { config } = resolveTrainConfig({ flags: { workers, batch, learningRate, kernel }, env: {} });
    // As the peers train: the same rate at every step, and samples as they are.
    const plain = { schedule: 'constant', warmup: 0, augment: 'none' } as const;
    const only = { iterations: ITERATIONS, evaluateEvery: 0, checkpointEvery: 0, hashEvery: 0 };
    this.#config = { ...config, ...plain, ...only, model: layout.spec };
    this.#engine = startEngine({
      config: this.#config,
      memory: new SharedMemory(),
      dataset: { ...benchDataset(layout), train },
    });
    this.#engine.state.current.values.set(weights);
  }

  async train(steps: number, observer: StepObserver = {}): Promise<void> {
    const from = { step: this.#step };
    this.#step += steps;
    await train({
      ...this.#engine,
      executor: this.#engine.pool,
      config: this.#config,
      from,
      until: this.#step,
      observer: together([observer]),
      chain: new HashChain(),
      checkpoint: () => {},
      stop: new AbortController().signal,
    });
  }

  close(): Promise<void> {
    return this.#engine.pool.close();
  }
}

/** Lockstep with one of its kernels. */
export class LockstepTrainer implements Trainer {
  readonly peer = 'lockstep';
  readonly name: string;
  readonly threads: number;
  readonly settings: readonly [KernelTarget];
  readonly #job: Job;
  #run: Run | undefined;

  constructor(job: Job, workers: number, kernel: KernelTarget) {
    this.#job = job;
    this.name = kernel === 'wasm' ? 'Lockstep, wasm' : 'Lockstep, native';
    this.threads = workers;
    this.settings = [kernel];
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    return { Lockstep: version() };
  }

  /** By a run whose data set is the first batch: every step has all of it, in an order that doesn't matter. */
  async losses(_setting: string, steps: number): Promise<readonly number[]> {
    const { layout, train, batch } = this.#job;
    const size = train.inputs.length / train.count;
    const first = {
      count: batch,
      inputs: train.inputs.slice(0, batch * size),
      targets: train.targets.slice(0, batch),
    };
    const run = new Run({ ...this.#job, layout: withoutDropout(layout), train: first }, this.threads, this.settings[0]);
    const losses: number[] = [];
    try {
      await run.train(steps, { onStep: ({ loss }) => losses.push(loss) });
    } finally {
      await run.close();
    }
    return losses;
  }

  measure(_setting: string, steps: number): Promise<Measured> {
    this.#run ??= new Run(this.#job, this.threads, this.settings[0]);
    const run = this.#run;
    return measured(() => run.train(steps));
  }

  async close(): Promise<void> {
    await this.#run?.close();
  }
}
