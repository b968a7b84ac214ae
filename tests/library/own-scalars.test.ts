// Scalars of the caller's own, in everything that records steps.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readSteps } from '#src/coordinator/run/step-reader.js';
import type { RunEvent, StepRecord } from '#src/coordinator/train/observer.js';
import { resolveJob } from '#src/library/inputs.js';
import { type OwnScalars, ScalarReader } from '#src/library/own-scalars.js';
import { train } from '#src/library/train.js';
import { UsageError } from '#src/shared/util/errors.js';
import { madeFile } from '../support/made-images.ts';
import { lockstep, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-scalars-'));
after(() => rmSync(folder, { recursive: true }));

const DATA = madeFile(folder, 256, 64);
const OPTIONS = { data: DATA, batch: 16, shardSize: 8, workers: 1, evaluateEvery: 3, schedule: 'constant' };

async function trained(name: string, scalars: OwnScalars | undefined, flags: Readonly<Record<string, unknown>> = {}) {
  const job = await resolveJob({
    flags: { ...OPTIONS, metricsPort: 'off', iterations: 6, out: join(folder, name), ...flags },
    env: { PATH: process.env.PATH },
  });
  const records: StepRecord[] = [];
  const notices: string[] = [];
  const onEvent = (event: RunEvent) => {
    if (event.kind === 'notice' && event.message.startsWith('The scalar')) notices.push(event.message);
  };
  const observer = { onStep: (record: StepRecord) => records.push(record), onEvent };
  const { result } = await train(job, { scalars, observers: [observer] });
  return { result, records, notices };
}

describe("a caller's own scalars", () => {
  it('are read after each step, and change no bit', async () => {
    let reads = 0;
    const scalars = { gpuTemperature: { help: 'Degrees.', read: () => 60 + reads++ }, load: () => 0.5 };
    const { result, records } = await trained('own', scalars, { tensorboard: true });
    const without = await trained('without', undefined);
    assert.deepEqual([result.weightsSha256, result.chain], [without.result.weightsSha256, without.result.chain]);
    const expected = [0, 1, 2, 3, 4, 5].map((step) => ({ gpuTemperature: 60 + step, load: 0.5 }));
    assert.deepEqual(
      records.map((record) => record.scalars),
      expected,
    );
    assert.deepEqual(
      stepsOf(join(folder, 'own')).map((line) => line.scalars),
      expected,
    );
    assert.ok(without.records.every((record) => !('scalars' in record)));
    const events = join(folder, 'own', 'tensorboard');
    const bytes = Buffer.concat(readdirSync(events).map((name) => readFileSync(join(events, name)))).toString('latin1');
    for (const [text, count] of [
      ['host/gpuTemperature', 6],
      ['host/load', 6],
      ['Degrees.', 1],
    ] as const)
      assert.equal(bytes.split(text).length - 1, count, text);
  });

  it('are passed over by what reads a run', async () => {
    const run = join(folder, 'own');
    await trained('own', { load: () => 0.25 }, { out: undefined, data: undefined, resume: run, iterations: 8 });
    const lines = stepsOf(run).map(({ scalars }) => scalars as Record<string, number>);
    assert.deepEqual([lines.length, lines[5], lines[6]], [8, { gpuTemperature: 65, load: 0.5 }, { load: 0.25 }]);
    const plain = join(folder, 'plain');
    await trained('plain', undefined, { iterations: 8 });
    for (const command of [
      ['verify', run],
      ['diff', run, plain],
      ['report', run, '--out', join(folder, 'report.html')],
      ['metrics', run, '--openmetrics'],
    ]) {
      const { status, stderr } = lockstep([
        ...command,
        ...(/verify|report/.test(`${command[0]}`) ? ['--data', DATA] : []),
      ]);
      assert.equal(status, 0, `${command}: ${stderr}`);
    }
    for await (const { step, scalars } of readSteps(join(run, 'steps.jsonl')))
      assert.deepEqual(scalars, lines[step - 1]);
  });

  it("that can't be read are left out, and told once", async () => {
    const { records, notices } = await trained('unreadable', {
      broken: () => {
        throw new Error('no sensor');
      },
      text: (() => '61') as never,
      infinite: () => Number.POSITIVE_INFINITY,
      none: () => undefined,
      good: () => 1,
    });
    assert.ok(records.every(({ scalars }) => Object.keys(scalars ?? {}).join() === 'good'));
    assert.deepEqual(notices, [
      "The scalar broken can't be read: no sensor. Such steps are recorded without it.",
      "The scalar text can't be read: it gave a value of type string, and not a finite number. Such steps are recorded without it.",
      "The scalar infinite can't be read: it gave Infinity, and not a finite number. Such steps are recorded without it.",
    ]);
  });

  it('have few and simple names', async () => {
    const read = () => 1;
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, read]));
    new ScalarReader(many(16), () => {});
    for (const scalars of [
      many(17),
      { '': read },
      { '1st': read },
      { 'a-b': read },
      { ['a'.repeat(65)]: read },
      { a: 1 as never },
      { a: { read: 1 as never } },
    ]) {
      assert.throws(() => new ScalarReader(scalars, () => {}), UsageError, JSON.stringify(Object.keys(scalars)));
    }
    await assert.rejects(trained('refused', { 'a-b': read }), UsageError);
    assert.ok(!readdirSync(folder).includes('refused'));
  });
});
