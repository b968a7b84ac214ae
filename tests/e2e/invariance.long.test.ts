import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Fault } from '#src/worker/pool/faults.js';
import { type Disturbance, describeLoss, runDisturbed, STALL_MS } from '../support/disturbances.ts';
import { realImages, skip } from '../support/real-images.ts';
import { type Outcome, runOnce, Session, type SessionOptions } from '../support/session.ts';

const WORLD_SIZES = [2, 3, 4, 5, 7, 8, 16];
const STEPS = 60;
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

      // Once a head and once a shard size.
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

function all(workers: number, t: number, kind: Disturbance['kind'], first = 0): Disturbance[] {
  return Array.from({ length: workers }, (_, i) => ({ worker: first + i, t, kind }));
}
