// The promise in one run: the SHA-256 of the final weights stays, whatever happens to the workers and the process.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openDataset } from '#src/shared/data/open.js';
import type { Executor } from '#src/shared/engine/executor.js';
import { BITS, disturb, undisturbed } from '../chaos/coordinator.ts';
import { madeFile } from '../support/made-images.ts';
import { poolWith, runOnce, Session, type SessionOptions } from '../support/session.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-same-bits-'));
after(() => rmSync(folder, { recursive: true }));

const file = madeFile(folder, 1024, 230);
const dataset = await openDataset({ flag: file, env: {}, print: () => {} });
const KILLED = { worker: 1, t: 20 };
const options = (workers: number): SessionOptions => ({ flags: { ...BITS, workers }, dataset });

describe('the weights have the same SHA-256', () => {
  // By the command line, with two workers.
  const expected = undisturbed(folder, { data: file });

  for (const workers of [1, 3]) {
    it(`by ${workers} workers`, async () => {
      const { weightsSha256 } = await runOnce(options(workers));
      assert.equal(weightsSha256, (await expected).weightsSha256);
    });
  }

  it('by three workers, one of which is killed during a step', async () => {
    const session = new Session(options(3));
    try {
      const { weightsSha256 } = await session.run(killing(session, KILLED));
      assert.deepEqual(new Set(session.lost.map(({ worker }) => worker)), new Set([KILLED.worker]));
      assert.equal(weightsSha256, (await expected).weightsSha256);
    } finally {
      await session.close();
    }
  });

  it('if the process is killed before a checkpoint is in its place, and the run is resumed', async () => {
    const operation = 1 + (await expected).operations.indexOf('rename step-00000100.safetensors.tmp');
    assert.ok(operation > 0);
    const kills = [{ operation, moment: 'before' }] as const;
    assert.equal(await disturb(join(folder, 'killed'), { kills, workers: [2, 3] }, await expected), 1);
  });
});

/** The session's pool; the worker's thread is terminated from outside while step t is computed, as soon as it is up. */
function killing(session: Session, { worker, t }: typeof KILLED): Executor {
  const { pool } = session.engine;
  const kill = async (): Promise<void> => {
    for (; session.lost.length === 0; await setImmediate()) await pool.kill(worker);
  };
  return poolWith(session.engine, {
    begin(work) {
      const step = pool.begin(work);
      if (work.t !== t) return step;
      return { finish: async () => (await Promise.all([step.finish(), kill()]))[0] };
    },
  });
}
