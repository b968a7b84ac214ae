import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fault } from '#src/worker/pool/faults.js';
import { DEPTH } from '#src/worker/pool/mailbox.js';
import { poolWith, type Session } from '../../support/session.ts';
import { FOREVER_MS, HANGS, withSession } from './with-session.ts';

/** What the metrics show of the pool agrees with itself. */
function assertCounted({ engine, config, lost: losses }: Session): void {
  const { shardCounts, attemptCounts, workerSamples, workersLost } = engine.pool;
  const { done, late, lost } = shardCounts;
  assert.equal(workersLost, losses.length);
  assert.equal(
    workerSamples.reduce((sum, samples) => sum + samples, 0),
    (done + late) * config.shardSize,
  );
  assert.ok(workerSamples.every((samples) => samples > 0));
  const { first, retry, duplicate } = attemptCounts;
  // Every shard of a step or rally is assigned first once, and done at least once.
  assert.ok(first >= 100 * (config.batch / config.shardSize) && first <= done);
  assert.ok(first + retry + duplicate >= done + late + lost);
  assert.ok(retry >= lost, 'whatever was lost was assigned again');
}

describe('a worker that dies or stalls in its slice of an update', () => {
  const update = { t: 20, phase: 'update' } as const;
  const cases: readonly (readonly [string, readonly Fault[]])[] = [
    ['one dies', [{ ...update, worker: 1, kind: 'exit' }]],
    ['all die', [0, 1, 2].map((worker) => ({ ...update, worker, kind: 'exit' }))],
    ['one stalls', [{ ...update, worker: 1, kind: 'stall', milliseconds: 600 }]],
    // What the dead one computed is still read by the one that stalls.
    [
      'one dies while another stalls',
      [
        { ...update, worker: 0, kind: 'exit' },
        { ...update, worker: 1, kind: 'stall', milliseconds: 600 },
      ],
    ],
    [
      'it hangs and is ended',
      [
        { ...update, worker: 2, kind: 'stall', milliseconds: FOREVER_MS },
        // Behind the steps that were open then: those are assigned anew bit by bit, without slices of a step.
        { ...update, worker: 0, t: 60, kind: 'throw' },
      ],
    ],
  ];

  const tests = cases.flatMap(([name, faults]) => [1, DEPTH].map((depth) => ({ name, faults, depth })));
  for (const { name, faults, depth } of tests) {
    it(`leaves the bits as they are, ${depth} under way: ${name}`, HANGS, async () => {
      const expected = await withSession({ workers: 1 }, (session) => session.run());
      await withSession({ workers: 3, faults }, async (session) => {
        await session.rally();
        assert.deepEqual(await session.run(poolWith(session.engine, { depth })), expected);
        const deadly = faults.filter(({ kind, milliseconds }) => kind !== 'stall' || milliseconds === FOREVER_MS);
        // On a busy machine a worker may have no part of the step at which it would die.
        assert.ok(session.lost.length <= deadly.length && session.lost.length >= Math.min(1, deadly.length));
        const { done, lost } = session.engine.pool.shardCounts;
        assert.ok(done >= 100 * session.root.end, 'every shard of every step was done, and those of the rallies');
        assert.equal(lost > 0, deadly.length > 0);
        assertCounted(session);
      });
    });
  }
});
