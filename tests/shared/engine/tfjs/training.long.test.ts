import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Fault } from '#src/worker/pool/faults.js';
import { DATA, lockstep } from '../../../support/program.ts';
import { realImages, skip as skipImages } from '../../../support/real-images.ts';
import { at } from '../../../support/reference/arrays.ts';
import { type Outcome, runOnce, Session, type SessionOptions } from '../../../support/session.ts';
import { skipTfjs } from './available.ts';

const LOSS_TOLERANCE = 1e-3;
const skip = skipTfjs || skipImages;

function options(flags: SessionOptions['flags'], faults: readonly Fault[] = []): SessionOptions {
  assert.ok(realImages);
  return { flags: { backend: 'tfjs', evaluateEvery: 0, ...flags }, dataset: realImages, faults };
}

describe('the first 100 steps', { skip }, () => {
  for (const head of ['softmax', 'rbf']) {
    it(`have the same losses by kernel and tfjs (${head})`, async () => {
      const flags = { head, batch: 64, shardSize: 32, workers: 2, iterations: 100, augment: 'rotate,crop:1,shift' };
      const tfjs = await runOnce(options(flags));
      const kernel = await runOnce(options({ ...flags, backend: 'kernel' }));
      assert.equal(tfjs.records.length, 100);
      for (const [i, { step, loss }] of tfjs.records.entries()) {
        const expected = at(kernel.records, i).loss;
        assert.ok(Math.abs(loss - expected) <= LOSS_TOLERANCE * expected, `step ${step}: ${loss}, not ${expected}`);
      }
      const { testLoss } = at(tfjs.records, 99);
      const expected = at(kernel.records, 99).testLoss;
      assert.ok(testLoss && expected && Math.abs(testLoss - expected) <= LOSS_TOLERANCE * expected);
    });
  }
});

describe('world-size invariance by tfjs', { skip }, () => {
  // Five shards: not a power of two.
  const flags = { batch: 80, shardSize: 16, iterations: 25, seed: 7 };
  let expected: Outcome;
  before(async () => {
    expected = await runOnce(options({ ...flags, workers: 1 }));
  });

  for (const workers of [2, 3]) {
    it(`${workers} workers give the bits of one`, async () => {
      assert.deepEqual(await runOnce(options({ ...flags, workers })), expected);
    });
  }

  it('threads that die and are replaced change nothing', async () => {
    const faults: Fault[] = [
      { worker: 1, t: 5, kind: 'exit' },
      { worker: 0, t: 9, kind: 'throw' },
      { worker: 0, t: 14, kind: 'exit' },
      { worker: 1, t: 14, kind: 'exit' },
    ];
    const session = new Session(options({ ...flags, workers: 2 }, faults));
    try {
      await session.rally();
      assert.deepEqual(await session.run(), expected);
      assert.ok(session.lost.length > 0);
    } finally {
      await session.close();
    }
  });
});

describe('runs of one backend and the other', { skip: skipTfjs }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-tfjs-'));
  after(() => rmSync(folder, { recursive: true }));
  const tfjsRun = join(folder, 'tfjs');
  const common = [...DATA, '--metrics-port', 'off', '--json'];
  const train = (name: string, ...flags: string[]) =>
    lockstep(['train', ...common, '--batch', '64', '--shard-size', '32', '--out', join(folder, name), ...flags]);

  before(() => {
    const { status, stderr } = train('tfjs', '--backend', 'tfjs', '--iterations', '4');
    assert.equal(status, 0, stderr);
  });

  it('evaluate the same checkpoint alike', () => {
    const losses = ['kernel', 'tfjs'].map((backend) => {
      const { status, stdout, stderr } = lockstep(['evaluate', tfjsRun, ...DATA, '--backend', backend, '--json']);
      assert.equal(status, 0, stderr);
      assert.equal(/trained by the backend tfjs/.test(stderr), backend === 'kernel');
      return JSON.parse(stdout).testLoss as number;
    });
    assert.ok(Math.abs(at(losses, 0) - at(losses, 1)) <= 1e-5 * at(losses, 1), losses.join(', '));
  });

  it('start from each other by --init', () => {
    for (const [name, backend, init] of [
      ['second', 'kernel', tfjsRun],
      ['third', 'tfjs', join(folder, 'second')],
    ] as const) {
      const { status, stdout, stderr } = train(name, '--backend', backend, '--iterations', '2', '--init', init);
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).backend, backend);
    }
  });

  it("don't go on by another backend, since it decides the bits", () => {
    const { status, stderr } = lockstep(['train', ...DATA, '--resume', tfjsRun, '--backend', 'kernel']);
    assert.notEqual(status, 0);
    assert.match(stderr, /tfjs/);
  });
});
