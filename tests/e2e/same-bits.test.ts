// The promise in one run: the SHA-256 of the final weights stays, whatever befalls the workers and the process.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openDataset } from '#src/shared/data/open.js';
import { BITS, disturb, undisturbed } from '../chaos/coordinator.ts';
import { describeLoss, runDisturbed } from '../support/disturbances.ts';
import { runOnce, type SessionOptions } from '../support/session.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-same-bits-'));
after(() => rmSync(folder, { recursive: true }));

const { MNIST_DIR } = process.env;
const flag = MNIST_DIR ? undefined : 'synthetic';
const dataset = await openDataset({ flag, env: { MNIST_DIR }, print: () => {} });
const options = (workers: number): SessionOptions => ({ flags: { ...BITS, workers }, dataset });

describe('the weights have the same SHA-256', () => {
  // By the command line, with two workers.
  const expected = undisturbed(folder);

  for (const workers of [1, 3]) {
    it(`by ${workers} workers`, async () => {
      const { weightsSha256 } = await runOnce(options(workers));
      assert.equal(weightsSha256, (await expected).weightsSha256);
    });
  }

  it('by three workers, one of which is killed while it computes', async () => {
    const kill = { worker: 1, t: 20, kind: 'kill' } as const;
    const { outcome, lost } = await runDisturbed(options(3), [kill]);
    assert.deepEqual(lost, [describeLoss(kill)]);
    assert.equal(outcome.weightsSha256, (await expected).weightsSha256);
  });

  it('where the process is killed before a checkpoint is in its place, and the run is resumed', async () => {
    const operation = 1 + (await expected).operations.indexOf('rename step-00000100.safetensors.tmp');
    assert.ok(operation > 0);
    const kills = [{ operation, moment: 'before' }] as const;
    assert.equal(await disturb(join(folder, 'killed'), { kills, workers: [2, 3] }, await expected), 1);
  });
});
