import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Executor } from '#src/shared/engine/executor.js';
import type { Fault } from '#src/worker/pool/faults.js';
import { realImages, skip } from '../support/real-images.ts';
import { type Outcome, poolWith, runOnce, Session, type SessionOptions } from '../support/session.ts';

const WORLD_SIZES = [2, 3, 4, 5, 7, 8, 16];
const STEPS = 60;
/** Much longer than the pool's limit for a slow worker, a quarter of a second. */
const STALL_MS = 2000;
/** Longer than the time until a stalled thread is terminated. */
const KILLED_MS = 10_000;

/** A fault of a worker while it computes step t; `kill`: its thread is terminated from outside while it stalls. */
interface Disturbance {
  readonly worker: number;
  readonly t: number;
  readonly kind: Fault['kind'] | 'kill';
}

const DISTURBANCES: readonly (readonly [string, number, readonly Disturbance[]])[] = [
  ['a thread exits', 3, [{ worker: 1, t: 20, kind: 'exit' }]],
  ['a thread throws', 3, [{ worker: 2, t: 20, kind: 'throw' }]],
  ['a thread is terminated', 3, [{ worker: 0, t: 20, kind: 'kill' }]],
  // The second stall waits for the first one's late answer.
  ['workers stall', 4, [...all(1, 20, 'stall', 1), ...all(1, 40, 'stall')]],
  ['all threads exit at once', 3, all(3, 30, 'exit')],
  ['the only thread exits', 1, all(1, 30, 'exit')],
  [
    'all of it happens in one run',
    4,
    [
      { worker: 3, t: 12, kind: 'throw' },
      { worker: 0, t: 20, kind: 'stall' },
      { worker: 1, t: 20, kind: 'exit' },
      { worker: 2, t: 24, kind: 'kill' },
      { worker: 3, t: 24, kind: 'throw' },
      { worker: 3, t: 28, kind: 'stall' },
      ...all(4, 36, 'exit'),
      ...all(4, 37, 'throw'),
      { worker: 2, t: 59, kind: 'exit' },
    ],
  ],
];

for (const head of ['softmax', 'rbf']) {
  for (const shardSize of [8, 5]) {
    describe(`world-size invariance (${head}, shards of ${shardSize})`, { skip }, () => {
      // Both shard sizes divide the batch; neither number of shards, 15 and 24, is a power of two.
      const flags = { head, shardSize, batch: 120, iterations: STEPS, evaluateEvery: 25, seed: 7 };
      const options = (workers: number): SessionOptions => {
        assert.ok(realImages);
        return { flags: { ...flags, workers }, dataset: realImages };
      };
      let expected: Outcome;
      before(async () => {
        expected = await runOnce(options(1));
      });

      it('trains', () => {
        assert.equal(expected.records.length, STEPS);
        assert.deepEqual(
          expected.records.filter(({ testLoss }) => testLoss !== undefined).map(({ step }) => step),
          [25, 50, 60],
        );
        const [first, last] = [expected.records.at(0), expected.records.at(-1)];
        assert.ok(first && last && last.loss < first.loss / 2, `loss went from ${first?.loss} to ${last?.loss}`);
        assert.equal(last.weightsSha256, expected.weightsSha256);
      });

      for (const workers of WORLD_SIZES) {
        it(`${workers} workers give the bits of one`, async () => {
          assert.deepEqual(await runOnce(options(workers)), expected);
        });
      }

      // Only one combination for each head and each shard size.
      const withFaults = (head === 'softmax') === (shardSize === 8);
      for (const [name, workers, disturbances] of withFaults ? DISTURBANCES : []) {
        it(`the bits stay when ${name}`, { timeout: 300_000 }, async () => {
          const { outcome, lost, overtaken } = await runDisturbed(options(workers), disturbances);
          const stalled = disturbances.filter(({ kind }) => kind === 'stall');
          const died = disturbances.filter(({ kind }) => kind !== 'stall');
          assert.deepEqual([...lost].sort(), died.map(describeLoss).sort());
          for (const { t } of stalled)
            assert.ok(overtaken.has(t), `the step of t = ${t} waited for the worker that stalled`);
          assert.deepEqual(outcome, expected);
        });

        it(`and when steps are under way ahead of it: ${name}`, { timeout: 300_000 }, async () => {
          const faults = disturbances.map(({ worker, t, kind }): Fault => {
            return { worker, t, kind: kind === 'kill' ? 'exit' : kind, milliseconds: STALL_MS };
          });
          const session = new Session({ ...options(workers), faults });
          try {
            await session.rally();
            assert.deepEqual(await session.run(), expected);
            await session.rally();
            const deadly = disturbances.filter(({ kind }) => kind !== 'stall').length;
            assert.ok(session.lost.length <= deadly && session.lost.length >= Math.min(1, deadly));
          } finally {
            await session.close();
          }
        });
      }
    });
  }
}

describe('world-size invariance (rounds of replicas)', { skip }, () => {
  const rounds = { replicas: 8, syncEvery: 7, shardSize: 5, batch: 120, iterations: STEPS, evaluateEvery: 25, seed: 7 };
  const run = (workers: number, faults: readonly Fault[] = []): Promise<Outcome> => {
    assert.ok(realImages);
    return runOnce({ flags: { ...rounds, workers }, dataset: realImages, faults });
  };
  let expected: Outcome;
  before(async () => {
    expected = await run(1);
  });

  it('trains', () => {
    const [first, last] = [expected.records.at(0), expected.records.at(-1)];
    assert.ok(first && last && last.loss < first.loss / 2, `loss went from ${first?.loss} to ${last?.loss}`);
  });

  for (const workers of WORLD_SIZES) {
    it(`${workers} workers give the bits of one`, async () => {
      assert.deepEqual(await run(workers), expected);
    });
  }

  for (const [name, workers, disturbances] of DISTURBANCES) {
    it(`the bits stay when ${name}`, { timeout: 300_000 }, async () => {
      const faults = disturbances.map(({ worker, t, kind }): Fault => {
        return { worker, t, kind: kind === 'kill' ? 'exit' : kind, milliseconds: STALL_MS };
      });
      assert.deepEqual(await run(workers, faults), expected);
    });
  }
});

function all(workers: number, t: number, kind: Disturbance['kind'], first = 0): Disturbance[] {
  return Array.from({ length: workers }, (_, i) => ({ worker: first + i, t, kind }));
}

function describeLoss({ worker, t, kind }: Disturbance): string {
  return `${worker} ${kind === 'throw' ? `injected fault at t = ${t}` : 'thread gone'}`;
}

interface Disturbed {
  readonly outcome: Outcome;
  /** As `describeLoss` has it. */
  readonly lost: readonly string[];
  /** Steps that were complete while a worker was still on them. */
  readonly overtaken: ReadonlySet<number>;
}

async function runDisturbed(options: SessionOptions, disturbances: readonly Disturbance[]): Promise<Disturbed> {
  const faults = disturbances.map(({ worker, t, kind }): Fault => {
    if (kind === 'kill') return { worker, t, kind: 'stall', milliseconds: KILLED_MS };
    return { worker, t, kind, milliseconds: STALL_MS };
  });
  const session = new Session({ ...options, faults });
  const overtaken = new Set<number>();
  try {
    const outcome = await session.run(disturbed(session, disturbances, overtaken));
    // Late answers and losses arrive.
    await session.rally();
    const lost = session.lost.map(({ worker, cause: { message } }) => {
      return `${worker} ${message.startsWith('injected') ? message : 'thread gone'}`;
    });
    return { outcome, lost, overtaken };
  } finally {
    await session.close();
  }
}

/** The session's pool; at a step with disturbances every worker is up and gets work, so that each of them happens. */
function disturbed(session: Session, disturbances: readonly Disturbance[], overtaken: Set<number>): Executor {
  const { pool } = session.engine;
  return poolWith(session.engine, {
    // A step begins when it is awaited, so that all workers can be made ready before it.
    depth: 1,
    begin(work) {
      const now = disturbances.filter(({ t }) => t === work.t);
      if (now.length === 0) return pool.begin(work);
      return {
        async finish() {
          await session.rally();
          const step = pool.begin(work);
          const killed = now.filter(({ kind }) => kind === 'kill');
          const [result] = await Promise.all([step.finish(), ...killed.map(({ worker }) => pool.kill(worker))]);
          if (work.current.readers > 0) overtaken.add(work.t);
          return result;
        },
      };
    },
  });
}
