import assert from 'node:assert/strict';
import { type Engine, startEngine } from '#src/coordinator/engine.js';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { train } from '#src/coordinator/train/train.js';
import { resolveTrainConfig, type TrainConfig } from '#src/shared/config/config.js';
import type { Dataset } from '#src/shared/data/dataset.js';
import type { Executor } from '#src/shared/engine/executor.js';
import { addPartials } from '#src/shared/engine/partials.js';
import type { ShardRange } from '#src/shared/engine/tree.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import type { Fault } from '#src/worker/pool/faults.js';

/** Rounds of work after which a pool that isn't whole again never will be. */
const MAX_ROUNDS = 100_000;

export interface SessionOptions {
  /** As the command line gives them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly dataset: Dataset;
  /** Default: LeNet-5. */
  readonly model?: ModelSpec | undefined;
  readonly faults?: readonly Fault[];
  /** The pool's clock in place of the real one. */
  readonly clock?: () => number;
  /** Bytes of the shared memory that are taken before anything else is: what follows has addresses beyond. */
  readonly taken?: number;
}

/** A worker that the pool reported as lost. */
export interface Loss {
  readonly worker: number;
  readonly cause: Error;
}

/** All of a run that must not depend on who computed it. */
export interface Outcome {
  readonly weightsSha256: string;
  readonly records: readonly Omit<StepRecord, 'timings'>[];
}

/** An engine in this process with initial weights, to train or to work its pool by hand. */
export class Session {
  readonly config: TrainConfig;
  readonly memory = new SharedMemory();
  readonly engine: Engine;
  readonly lost: Loss[] = [];
  /** Of a step's reduction tree. */
  readonly root: ShardRange;

  constructor({ flags, dataset, model, faults = [], clock, taken = 0 }: SessionOptions) {
    this.config = { ...resolveTrainConfig({ flags, env: {} }).config, model };
    this.root = { begin: 0, end: this.config.batch / this.config.shardSize };
    this.memory.allocate(taken);
    this.engine = startEngine({
      config: this.config,
      memory: this.memory,
      dataset,
      faults,
      ...(clock && { clock }),
      onLost: (worker, cause) => this.lost.push({ worker, cause }),
    });
    const { layout, kernel, state } = this.engine;
    state.current.values.set(initialWeights(layout, this.config.seed, kernel.squareRoot));
  }

  /** Trains to the last iteration, by `executor` in place of the pool where it is given. */
  async run(executor: Executor = this.engine.pool): Promise<Outcome> {
    const { state, optimizer, answers } = this.engine;
    const records: Omit<StepRecord, 'timings'>[] = [];
    const { weightsSha256 } = await train({
      ...{ config: this.config, executor, state, optimizer, answers },
      observer: { onStep: ({ timings: _, ...record }) => records.push(record), onEvaluation: () => {} },
      from: { step: 0 },
      chain: new HashChain(),
      checkpoint: () => {},
      stop: new AbortController().signal,
    });
    return { weightsSha256, records };
  }

  /**
   * Has the pool compute step t = 0, for nobody, until every worker took part and gave its answer: then all are up, and
   * none is late. Answers that come late, to other steps, must not get into it. Needs more shards than workers, so that
   * each is dealt some.
   */
  async rally(): Promise<void> {
    const { pool, state, kernel } = this.engine;
    let first: Buffer | undefined;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const losses = this.lost.length;
      const computed = pool.gradient({ t: 0, weights: state.current, ranges: [this.root] });
      const assigned = state.current.readers;
      const { gradient } = addPartials(kernel, await computed, this.root);
      const bytes = Buffer.from(gradient.buffer, gradient.byteOffset, gradient.byteLength);
      first ??= Buffer.from(bytes);
      assert.ok(bytes.equals(first), 'the same step gave other bits');
      if (assigned === pool.workers && state.current.readers === 0 && this.lost.length === losses) return;
    }
    throw new Error('The workers never all took part in a step.');
  }

  close(): Promise<void> {
    return this.engine.pool.close();
  }
}

/** The pool, but for what is given in its place. */
export function poolWith({ pool }: Engine, instead: Partial<Executor>): Executor {
  return {
    depth: pool.depth,
    begin: (work) => pool.begin(work),
    update: (update) => pool.update(update),
    round: (work) => pool.round(work),
    evaluate: (weights) => pool.evaluate(weights),
    close: () => pool.close(),
    ...instead,
  };
}

/** A whole run in a session of its own. */
export async function runOnce(options: SessionOptions): Promise<Outcome> {
  const session = new Session(options);
  try {
    return await session.run();
  } finally {
    await session.close();
  }
}
