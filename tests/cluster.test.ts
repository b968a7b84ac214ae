// Members of a cluster in one process: pools of their own, joined without a wire.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startClusterEngine } from '#src/cli/engine.js';
import type { Member, Piece, PieceResult } from '#src/coordinator/cluster/member.js';
import { HashChain } from '#src/coordinator/hash-chain.js';
import { train } from '#src/coordinator/train.js';
import { resolveTrainConfig } from '#src/shared/config.js';
import { SharedMemory } from '#src/shared/kernel/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { unitCount } from '#src/shared/tree.js';
import { Compute } from '#src/worker/node/compute.js';
import { madeDataset } from './training/made-images.ts';
import { runOnce } from './training/session.ts';

const dataset = madeDataset(512, 430);
const FLAGS = { batch: 64, shardSize: 4, iterations: 130, evaluateEvery: 50, workers: 1 };
const { config } = resolveTrainConfig({ flags: FLAGS, env: {} });
const undisturbed = await runOnce({ flags: FLAGS, dataset });

/** A pool of its own as a member, with faults. */
class DirectMember implements Member {
  readonly name: string;
  readonly threads: number;
  readonly #compute: Compute;
  readonly pieces: Piece[] = [];
  /** Called before each piece; may throw or wait. */
  hook: (piece: Piece) => Promise<void> | void = () => {};

  constructor(name: string, threads: number) {
    this.name = name;
    this.threads = threads;
    const memory = new SharedMemory();
    const { head, rbfJ, batch, shardSize, seed, augment } = config;
    this.#compute = new Compute({
      config: { head, rbfJ, batch, shardSize, sampler: { samples: dataset.train.count, batch, seed, augment } },
      train: { images: memory.hold(dataset.train.images), labels: memory.hold(dataset.train.labels) },
      test: { images: memory.hold(dataset.test.images), labels: memory.hold(dataset.test.labels) },
      ...{ threads, memory },
    });
  }

  async work(piece: Piece): Promise<PieceResult> {
    this.pieces.push(piece);
    const { kind, t, weights, nodes } = piece;
    const values = weights.values.slice();
    await this.hook(piece);
    this.#compute.setWeights(t, (target) => target.set(values));
    if (kind === 'evaluate') return { kind, chunks: await this.#compute.evaluate(nodes) };
    const partials = await this.#compute.gradient(t, nodes);
    return {
      kind,
      partials: partials.map(({ gradient, ...rest }) => {
        const bytes = gradient.slice();
        return { ...rest, copyTo: (target: Float32Array) => target.set(bytes) };
      }),
    };
  }

  close(): Promise<void> {
    return this.#compute.close();
  }
}

interface Disturbance {
  readonly members: readonly DirectMember[];
  /** Told of each step; the cluster's own calls are at hand. */
  readonly onStep?: (step: number, cluster: ReturnType<typeof startClusterEngine>['cluster']) => void;
}

/** Trains with the members joined at the start, to an outcome like the undisturbed one. */
async function trained({ members, onStep = () => {} }: Disturbance) {
  const engine = startClusterEngine({ config, memory: new SharedMemory(), dataset, onLonely: () => {} });
  const { cluster, layout, kernel, state, optimizer, testLabels } = engine;
  state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  const records: unknown[] = [];
  for (const member of members) cluster.join(member);
  try {
    const { weightsSha256 } = await train({
      ...{ config, executor: cluster, state, optimizer, testLabels, from: { step: 0 }, chain: new HashChain() },
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

describe('a cluster has the bits of one worker', () => {
  it('with the local threads alone', async () => {
    assert.deepEqual((await trained({ members: [] })).outcome, undisturbed);
  });

  it('with members of one and two threads, each of which gets at most two nodes a step', async () => {
    const members = [new DirectMember('a', 1), new DirectMember('b', 2)];
    const { outcome, cluster } = await trained({ members });
    assert.deepEqual(outcome, undisturbed);
    for (const { name, pieces } of members) {
      assert.ok(pieces.length > 100, `${name} took part in ${pieces.length} pieces`);
      assert.ok(pieces.every(({ kind, nodes }) => kind === 'evaluate' || nodes.length <= 2));
    }
    const counts = [...cluster.shardCounts.values()];
    assert.equal(
      counts.reduce((sum, { done }) => sum + done, 0),
      130 * 16,
    );
  });

  it('where members join and leave, fail and come again', async () => {
    const members = [new DirectMember('a', 1), new DirectMember('b', 1), new DirectMember('c', 1)];
    const [a, b, c] = members as [DirectMember, DirectMember, DirectMember];
    a.hook = ({ t, kind }) => {
      if (kind === 'gradient' && t % 7 === 3) throw new Error('injected');
    };
    const { outcome, cluster } = await trained({
      members: [a, b],
      onStep: (step, cluster) => {
        if (step === 20) cluster.join(c);
        if (step === 40) cluster.leave(b);
        if (step === 60) cluster.join(b);
        if (step === 90) for (const member of members) cluster.leave(member);
      },
    });
    await c.close();
    assert.deepEqual(outcome, undisturbed);
    assert.ok((cluster.shardCounts.get('a')?.lost ?? 0) > 0);
    assert.ok(c.pieces.length > 10);
    assert.equal(
      c.pieces.some(({ t }) => t >= 95),
      false,
    );
  });

  it('where a member leaves and never answers what it was at', { timeout: 60_000 }, async () => {
    const member = new DirectMember('gone', 1);
    let leave = (): void => {};
    member.hook = ({ t }) => {
      if (t !== 30) return;
      leave();
      return new Promise(() => {});
    };
    const { outcome } = await trained({
      members: [member],
      onStep: (_, cluster) => {
        leave = () => cluster.leave(member);
      },
    });
    assert.deepEqual(outcome, undisturbed);
  });

  it('where a member hangs: others get its shards, and what it answers later changes nothing', async () => {
    const member = new DirectMember('slow', 1);
    let release = (): void => {};
    member.hook = ({ t, kind }) => {
      if (kind !== 'gradient' || t !== 30) return;
      return new Promise((resolve) => {
        release = resolve;
      });
    };
    const { outcome, cluster } = await trained({
      members: [member],
      onStep: (step) => {
        if (step === 60) release();
      },
    });
    assert.deepEqual(outcome, undisturbed);
    const hung = member.pieces.find(({ t, kind }) => t === 30 && kind === 'gradient');
    assert.equal(cluster.shardCounts.get('slow')?.late, unitCount(hung?.nodes ?? []));
  });
});
