import { benchDataset } from '#src/cli/bench/images.js';
import { type Engine, startEngine } from '#src/coordinator/engine.js';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import { together } from '#src/coordinator/train/observer.js';
import { train } from '#src/coordinator/train/train.js';
import { resolveTrainConfig, type TrainConfig } from '#src/shared/config/config.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { type Job, type Measured, measured, type Trainer } from './trainer.ts';

/** As many as a run may have: measurements continue it. */
const ITERATIONS = 1e6;

/** A run as `lockstep train` has it, with one worker: loop, sampling, gradients, reduction, update, the loss of every step. */
export class LockstepTrainer implements Trainer {
  readonly name = 'Lockstep';
  readonly #config: TrainConfig;
  readonly #engine: Engine;
  #step = 0;

  constructor({ layout, batch, learningRate }: Job) {
    const { config } = resolveTrainConfig({ flags: { workers: 1, batch, learningRate }, env: {} });
    const only = { iterations: ITERATIONS, evaluateEvery: 0, checkpointEvery: 0, hashEvery: 0 };
    this.#config = { ...config, ...only, model: layout.spec };
    const memory = new SharedMemory();
    this.#engine = startEngine({ config: this.#config, memory, dataset: benchDataset(layout) });
    const { state, kernel } = this.#engine;
    state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  }

  measure(steps: number): Promise<Measured> {
    const from = { step: this.#step };
    this.#step += steps;
    return measured(() =>
      train({
        ...this.#engine,
        executor: this.#engine.pool,
        config: this.#config,
        from,
        until: this.#step,
        observer: together([]),
        chain: new HashChain(),
        checkpoint: () => {},
        stop: new AbortController().signal,
      }),
    );
  }

  close(): Promise<void> {
    return this.#engine.pool.close();
  }
}
