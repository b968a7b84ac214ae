// Replicas that take local steps and are averaged: the same bits on any number of threads.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { NotFiniteError } from '#src/shared/util/errors.js';
import { RELEASED } from '#src/worker/pool/faults.js';
import { madeDataset } from '../../support/made-images.ts';
import { type Outcome, runOnce, Session } from '../../support/session.ts';

const dataset = madeDataset(512, 430);
const FLAGS = {
  batch: 64,
  shardSize: 4,
  iterations: 40,
  evaluateEvery: 16,
  hashEvery: 10,
  workers: 1,
  augment: 'shift',
};
const ROUNDS = { replicas: 4, syncEvery: 6 };

type Records = Outcome['records'];

/** What every step has, whatever falls due after it. */
function ofEach(records: Records): Pick<StepRecord, 'step' | 'loss' | 'accuracy' | 'learningRate' | 'gradientNorm'>[] {
  return records.map(({ step, loss, accuracy, learningRate, gradientNorm }) => {
    return { step, loss, accuracy, learningRate, gradientNorm } as ReturnType<typeof ofEach>[number];
  });
}

const run = (
  flags: Readonly<Record<string, unknown>> = {},
  more: { faults?: Session['lost'] } = {},
): Promise<Outcome> => runOnce({ flags: { ...FLAGS, ...flags }, dataset, ...(more as object) });

describe('rounds of one replica', () => {
  test('are the steps of training without, but for where something falls due', async () => {
    const without = await run();
    for (const syncEvery of [1, 7, 64]) {
      const outcome = await run({ syncEvery });
      assert.equal(outcome.weightsSha256, without.weightsSha256);
      assert.deepEqual(ofEach(outcome.records), ofEach(without.records));
      const evaluated = outcome.records.filter(({ testLoss }) => testLoss !== undefined).map(({ step }) => step);
      const expected = { 1: [16, 32, 40], 7: [21, 35, 40], 64: [40] }[syncEvery];
      assert.deepEqual(evaluated, expected);
      const linked = outcome.records.filter(({ chain }) => chain !== undefined).map(({ step }) => step);
      assert.deepEqual(linked, { 1: [10, 20, 30, 40], 7: [14, 21, 35, 40], 64: [40] }[syncEvery]);
    }
  });
});

describe('rounds of several replicas', () => {
  test('are the same on any number of threads, with clipping and any optimizer', async () => {
    const table = { schedule: '0:0.1,9:1,30:0.2' };
    for (const flags of [table, { clipNorm: 0.5, optimizer: 'sgd' }, { optimizer: 'adamw', clipNorm: 2 }]) {
      const one = await run({ ...ROUNDS, ...flags });
      assert.equal(one.records.length, FLAGS.iterations);
      for (const workers of [2, 3, 5]) assert.deepEqual(await run({ ...ROUNDS, ...flags, workers }), one);
    }
  });

  test('of one step each, by a linear rule, are nearly a step over the whole batch', async () => {
    const flags = { optimizer: 'sgd', iterations: 12, learningRate: 0.01 };
    const [replicas, whole] = [await run({ ...flags, replicas: 4 }), await run(flags)];
    assert.notEqual(replicas.weightsSha256, whole.weightsSha256);
    for (const [i, { step, loss }] of replicas.records.entries()) {
      const expected = whole.records[i]?.loss ?? Number.NaN;
      assert.ok(Math.abs(loss - expected) < 1e-4 * expected, `step ${step}: ${loss}, not ${expected}`);
    }
  });

  test('depend on the number of replicas and of local steps', async () => {
    const hashes = new Set<string>();
    for (const flags of [ROUNDS, { ...ROUNDS, syncEvery: 7 }, { ...ROUNDS, replicas: 2 }, {}]) {
      hashes.add((await run(flags)).weightsSha256);
    }
    assert.equal(hashes.size, 4);
  });

  test('take what falls due at their end', async () => {
    const { records } = await run({ ...ROUNDS, evaluateEvery: 10 });
    const steps = (isMeant: (record: Records[number]) => boolean): number[] =>
      records.filter(isMeant).map(({ step }) => step);
    assert.deepEqual(
      steps(({ testLoss }) => testLoss !== undefined),
      [12, 24, 30, 40],
    );
    assert.deepEqual(
      steps(({ chain }) => chain !== undefined),
      [12, 24, 30, 40],
    );
    assert.deepEqual(
      records.map(({ step }) => step),
      Array.from({ length: FLAGS.iterations }, (_, i) => i + 1),
    );
  });

  test('survive threads that die or stall among their local steps', { timeout: 300_000 }, async () => {
    const one = await run(ROUNDS);
    const release = new Int32Array(new SharedArrayBuffer(4));
    const faults = [
      { worker: 0, t: 8, kind: 'exit' },
      { worker: 1, t: 20, kind: 'throw' },
      { worker: 2, t: 27, kind: 'stall', milliseconds: 60_000, release },
      { worker: 0, t: 39, phase: 'update', kind: 'exit' },
    ] as const;
    const session = new Session({ flags: { ...FLAGS, ...ROUNDS, workers: 3 }, dataset, faults });
    try {
      assert.deepEqual(await session.run(), one);
      // A thread that is being replaced meets no fault: others have its replicas.
      assert.ok(session.lost.length >= 1 && session.lost.length <= 3, `${session.lost.length} were lost`);
    } finally {
      Atomics.store(release, 0, RELEASED);
      Atomics.notify(release, 0);
      await session.close();
    }
  });

  test('end the run where a replica fails again and again, and name it', { timeout: 300_000 }, async () => {
    const faults = Array.from({ length: 20 }, () => ({ worker: 0, t: 8, kind: 'throw' }) as const);
    const session = new Session({ flags: { ...FLAGS, ...ROUNDS }, dataset, faults });
    await assert.rejects(session.run(), /failed repeatedly on replica 0 in steps 7 to 12; the last cause: injected/);
    await session.close();
  });

  test('name the first step and replica whose loss or norm is not finite, and are not applied', async () => {
    const messages = new Set<string>();
    for (const workers of [1, 3]) {
      const session = new Session({ flags: { ...FLAGS, ...ROUNDS, workers, learningRate: 1e6, warmup: 0 }, dataset });
      const before = session.engine.state.current;
      await assert.rejects(session.run(), (error: NotFiniteError) => {
        assert.ok(error instanceof NotFiniteError);
        assert.ok(error.step > 1 && error.step <= ROUNDS.syncEvery, String(error.step));
        messages.add(error.message);
        return true;
      });
      assert.equal(session.engine.state.current, before);
      await session.close();
    }
    assert.equal(messages.size, 1);
    assert.match([...messages][0] ?? '', /^Step \d, replica \d: .* Steps 1 to 6 were not applied/);
  });
});
