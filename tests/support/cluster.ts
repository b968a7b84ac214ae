// A cluster in one process: members with pools of their own, joined without a wire, and a training over them.

import type { Assignment, AssignmentResult, Member, RemoteState } from '#src/coordinator/cluster/member.js';
import { startClusterEngine } from '#src/coordinator/engine.js';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import { train } from '#src/coordinator/train/train.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import type { PartialGradient, PartialState } from '#src/shared/engine/executor.js';
import { replicasOf } from '#src/shared/engine/replica.js';
import { RoundFigures } from '#src/shared/engine/round-figures.js';
import { vectorsOf } from '#src/shared/engine/state.js';
import type { StateVectors } from '#src/shared/engine/update.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { modelOf } from '#src/shared/model/registry.js';
import { Compute } from '#src/worker/node/compute.js';
import { placeInMemory } from '#src/worker/pool/sample-set.js';
import { madeDataset } from './made-images.ts';
import { runOnce } from './session.ts';

const dataset = madeDataset(512, 430);
const FLAGS = {
  batch: 64,
  shardSize: 4,
  iterations: 130,
  evaluateEvery: 50,
  workers: 1,
  augment: 'crop:1,cutout:3,shift',
};
export const SHARDS = FLAGS.batch / FLAGS.shardSize;
export const STEPS = FLAGS.iterations;
/** The same job cut into replicas. */
export const ROUNDS = { replicas: 4, syncEvery: 6 };
/** What one worker alone makes of it. */
export const undisturbed = await runOnce({ flags: FLAGS, dataset });
export const undisturbedRounds = await runOnce({ flags: { ...FLAGS, ...ROUNDS }, dataset });

/** A pool of its own as a member, with faults. */
export class DirectMember implements Member {
  readonly name: string;
  readonly threads: number;
  readonly #compute: Compute;
  readonly assignments: Assignment[] = [];
  /** Why it was expelled. */
  readonly expelled: string[] = [];
  /** Called before each piece; may throw or wait. */
  hook: (assignment: Assignment) => Promise<void> | void = () => {};
  /** Called with what it computed, which it may change. */
  tamper: (assignment: Assignment, partials: readonly (PartialGradient | PartialState)[]) => void = () => {};

  /** @param flags besides those of the job */
  constructor(name: string, threads: number, flags: Readonly<Record<string, unknown>> = {}) {
    this.name = name;
    this.threads = threads;
    const memory = new SharedMemory();
    const { config } = resolveTrainConfig({ flags: { ...FLAGS, ...flags }, env: {} });
    const { batch, shardSize, seed } = config;
    const layout = modelOf(config);
    this.#compute = new Compute({
      config: {
        layout,
        inputs: 'uint8',
        batch: batch / config.replicas,
        shardSize,
        replicas: replicasOf(config, layout),
        sampler: { samples: dataset.train.count, batch, seed, augment: FLAGS.augment },
      },
      train: placeInMemory(memory, dataset.train),
      test: placeInMemory(memory, dataset.test),
      ...{ threads, memory, kernel: 'wasm' as const },
    });
  }

  async work(assignment: Assignment): Promise<AssignmentResult> {
    this.assignments.push(assignment);
    const { kind, t, steps, weights, ranges } = assignment;
    const sent = [weights.values, weights.m, weights.v].map((vector) => vector?.slice());
    await this.hook(assignment);
    this.#compute.receiveWeights(t, (...vectors) => {
      for (const [i, vector] of vectors.entries()) vector.set(sent[i] as Float32Array);
    })?.();
    if (kind === 'evaluate') return { kind, chunks: await this.#compute.evaluate(ranges) };
    if (kind === 'replica') {
      const states = await this.#compute.states(t, steps, ranges);
      this.tamper(assignment, states);
      return { kind, partials: states.map(sentAway) };
    }
    const partials = await this.#compute.gradient(t, ranges);
    this.tamper(assignment, partials);
    return {
      kind,
      partials: partials.map(({ gradient, ...rest }) => {
        const bytes = gradient.slice();
        return { ...rest, copyTo: (target: Float32Array) => target.set(bytes) };
      }),
    };
  }

  expel(closeCode: string): void {
    this.expelled.push(closeCode);
  }

  close(): Promise<void> {
    return this.#compute.close();
  }
}

/** As it comes from another machine. */
function sentAway({ range, state, figures }: PartialState): RemoteState {
  const vectors = vectorsOf(state).map((vector) => vector.slice());
  const copyTo = (target: StateVectors): void => {
    for (const [i, vector] of vectorsOf(target).entries()) vector.set(vectors[i] as Float32Array);
  };
  return { range, figures: new RoundFigures(figures.words.slice()), copyTo };
}

interface Disturbance {
  /** Of the cluster itself. */
  readonly workers?: number;
  /** Other options. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly members: readonly DirectMember[];
  /** Told of each step; the cluster's own calls are at hand. */
  readonly onStep?: (step: number, cluster: ReturnType<typeof startClusterEngine>['cluster']) => void;
}

/** Trains with the members joined at the start, to an outcome like the undisturbed one. */
export async function trained({ members, workers = 1, flags = {}, onStep = () => {} }: Disturbance) {
  const { config } = resolveTrainConfig({ flags: { ...FLAGS, workers, listen: '127.0.0.1:0', ...flags }, env: {} });
  const engine = startClusterEngine({ config, memory: new SharedMemory(), dataset, onNoMembers: () => {} });
  const { cluster, layout, kernel, state, optimizer, answers } = engine;
  state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  const records: unknown[] = [];
  for (const member of members) cluster.join(member);
  try {
    const { weightsSha256 } = await train({
      ...{ config, executor: cluster, state, optimizer, answers, from: { step: 0 }, chain: new HashChain() },
      observer: {
        onStep: ({ timings: _, ...record }) => {
          records.push(record);
          onStep(record.step, cluster);
        },
        onEvaluation: () => {},
      },
      checkpoint: () => {},
      stop: new AbortController().signal,
    });
    return { outcome: { weightsSha256, records }, cluster };
  } finally {
    await cluster.close();
    await engine.pool?.close();
    await Promise.all(members.map((member) => member.close()));
  }
}
