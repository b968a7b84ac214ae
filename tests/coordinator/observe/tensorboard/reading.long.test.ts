import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { EventLog } from '#src/coordinator/observe/tensorboard/event-log.js';
import { readCheckpoint } from '#src/shared/checkpoint/checkpoint-file.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../../../support/models.ts';
import { DATA, lockstep, manifestOf, startLockstep, stepsOf } from '../../../support/program.ts';
import { stepRecord } from '../../../support/step-record.ts';
import { type Found, readEvents, serve, skip } from './package.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-tensorboard-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['train', '--tensorboard', '--batch', '16', '--shard-size', '4', '--metrics-port', 'off', ...DATA];
const ENDS = ['--iterations', '130', '--checkpoint-every', '20', '--evaluate-every', '50'];
const KEYS = {
  'train/loss': 'loss',
  'train/accuracy': 'accuracy',
  'train/learning_rate': 'learningRate',
  'train/gradient_norm': 'gradientNorm',
  'test/accuracy': 'testAccuracy',
  'test/loss': 'testLoss',
};
const layout = layoutOf(lenet5('softmax'));

function trained(...args: string[]): void {
  const { status, stderr } = lockstep(args);
  assert.equal(status, 0, stderr);
}

function eventFiles(run: string): string[] {
  return readdirSync(join(run, 'tensorboard')).sort();
}

/** Each step of the log stands there once, with the log's values as float32. */
function assertScalars(run: string, { scalars }: Found): void {
  const steps = stepsOf(run);
  for (const [tag, key] of Object.entries(KEYS)) {
    const found = scalars[tag]?.map(([step, value]) => [step, value]);
    const logged = steps.filter((line) => line[key] !== undefined);
    assert.deepEqual(
      found,
      logged.map((line) => [line.step, Math.fround(line[key] as number)]),
      tag,
    );
  }
  assert.deepEqual(
    scalars['train/step_seconds']?.map(([step]) => step),
    steps.map(({ step }) => step),
  );
}

function assertHistograms({ histograms }: Found, steps: readonly number[]): void {
  assert.deepEqual(Object.keys(histograms).sort(), layout.tensors.map(({ name }) => `weights/${name}`).sort());
  for (const { name, size } of layout.tensors) {
    const found = histograms[`weights/${name}`] ?? [];
    assert.deepEqual(
      found.map(({ step }) => step),
      steps,
      name,
    );
    for (const { num, buckets, limits, max } of found) {
      assert.equal(num, size, name);
      assert.equal(
        buckets.reduce((sum, count) => sum + count),
        size,
        name,
      );
      assert.equal(limits.at(-1), max, name);
    }
  }
}

/** A copy of a run as if it had been killed behind a step, with later events written already. */
function killedAfter(step: number, run: string, copy: string): void {
  cpSync(run, copy, { recursive: true });
  for (const name of readdirSync(join(copy, 'checkpoints'))) {
    if (Number.parseInt(name.slice(5), 10) > step) rmSync(join(copy, 'checkpoints', name));
  }
  const { result: _, ended: __, attempts, ...manifest } = manifestOf(copy);
  const [{ ended: ___, steps: ____, ...attempt }] = attempts as [Record<string, unknown>];
  writeFileSync(join(copy, 'run.json'), JSON.stringify({ ...manifest, state: 'running', attempts: [attempt] }));
}

describe('event files, read by the tensorboard package', { skip }, () => {
  const whole = join(folder, 'whole');
  const expected = [0, 20, 40, 50, 60, 80, 100, 120, 130];
  let found: Found;

  it('have every step once, as steps.jsonl has it', () => {
    trained(...FLAGS, ...ENDS, '--out', whole);
    found = readEvents(join(whole, 'tensorboard'));
    assertScalars(whole, found);
    assert.deepEqual(found.warnings, []);
    assert.equal(eventFiles(whole).length, 1);
  });

  it('change no bits', () => {
    const without = join(folder, 'without');
    trained(...FLAGS.filter((flag) => flag !== '--tensorboard'), ...ENDS, '--out', without);
    assert.deepEqual(stepsOf(without), stepsOf(whole));
    assert.equal(manifestOf(without).chain, manifestOf(whole).chain);
  });

  it('have the time of each step', () => {
    const { started } = manifestOf(whole);
    const times = (found.scalars['train/loss'] ?? []).map(([, , time]) => time);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.ok(
      (times[0] as number) * 1000 >= Date.parse(started as string) && (times.at(-1) as number) * 1000 < Date.now(),
    );
  });

  it('have a histogram of each tensor where a checkpoint or an evaluation is', async () => {
    assertHistograms(found, expected);
    const { tensors } = await readCheckpoint(join(whole, 'checkpoints/step-00000130.safetensors'));
    const weights = tensors.get('c5.weight')?.data as Float32Array;
    const last = found.histograms['weights/c5.weight']?.at(-1);
    assert.equal(
      last?.sum,
      weights.reduce((sum, weight) => sum + weight, 0),
    );
    assert.deepEqual(
      [last?.min, last?.max],
      [weights.reduce((a, b) => Math.min(a, b)), weights.reduce((a, b) => Math.max(a, b))],
    );
  });

  it('have the graph of the network, whose inputs are all there', () => {
    const shapes = new Map(found.nodes.map(({ name, shapes: [shape] }) => [name, shape]));
    for (const { inputs, name } of found.nodes) {
      for (const input of inputs) assert.ok(shapes.has(input), `${name} takes ${input}`);
    }
    const scopes = new Set(found.nodes.map(({ name }) => name.split('/')[0]));
    const layers = layout.spec.layers.map(({ name }) => name);
    assert.deepEqual([...scopes], ['labels', 'input', ...layers, 'head', 'loss', 'accuracy']);
    assert.deepEqual(shapes.get('c1/Conv2D'), [-1, 6, 28, 28]);
    assert.deepEqual(shapes.get('s4.relu/Relu'), [-1, 16, 5, 5]);
    assert.deepEqual(shapes.get('head/Softmax'), [-1, 10]);
  });

  it("show in the package's own server", async (t) => {
    const url = await serve(t, whole);
    const get = (path: string): Promise<string> => eventually(t, `${url}data/plugin/${path}`);
    const graph = await get('graphs/graph?run=tensorboard&conceptual=false');
    assert.match(graph, /name: "c3\/Conv2D"\s+op: "Conv2D"/);
    const points = JSON.parse(await get('scalars/scalars?run=tensorboard&tag=train/loss')) as [
      number,
      number,
      number,
    ][];
    assert.deepEqual(
      points.map(([, step]) => step),
      stepsOf(whole).map(({ step }) => step),
    );
    const sizes = JSON.parse(await get('histograms/histograms?run=tensorboard&tag=weights/c1.weight')) as unknown[];
    assert.equal(sizes.length, expected.length);
  });

  for (const step of [0, 60]) {
    it(`have each step once where a run that had logged more continues from step ${step}`, () => {
      const run = join(folder, `resumed-${step}`);
      killedAfter(step, whole, run);
      trained('train', '--resume', run, '--tensorboard', '--metrics-port', 'off');
      const events = readEvents(join(run, 'tensorboard'));
      assertScalars(run, events);
      assertHistograms(events, expected);
      assert.equal(events.nodes.length, found.nodes.length);
      assert.equal(eventFiles(run).length, 2);
    });
  }

  it('have each step once where the process was killed', async () => {
    const run = join(folder, 'killed');
    const ends = ['--iterations', '1000', '--checkpoint-every', '50', '--evaluate-every', '0'];
    const program = startLockstep([...FLAGS, ...ends, '--out', run]);
    await program.said(/step +100\/1000/);
    assert.ok(program.signal('SIGKILL'));
    await program.ended;
    trained('train', '--resume', run, '--tensorboard', '--metrics-port', 'off');
    assertScalars(run, readEvents(join(run, 'tensorboard')));
  });
});

describe('event files with numbers that are not finite, read by the tensorboard package', { skip }, () => {
  const { NaN: notANumber, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY } = Number;

  it('have the loss of a run that ended with it', () => {
    const run = join(folder, 'overflown');
    const steep = ['--optimizer', 'sgd', '--learning-rate', '1000000', '--warmup', '0', '--schedule', 'constant'];
    assert.equal(lockstep([...FLAGS, ...steep, '--iterations', '2', '--out', run]).status, 3);
    assert.equal(manifestOf(run).state, 'failed');
    const { scalars, histograms, warnings } = readEvents(join(run, 'tensorboard'));
    assert.deepEqual(
      scalars['test/loss']?.map(([step, value]) => [step, value]),
      [[2, 'nan']],
    );
    assert.deepEqual(
      scalars['train/loss']?.map(([step]) => step),
      [1, 2],
    );
    for (const { name, size } of layout.tensors) assert.equal(histograms[`weights/${name}`]?.at(-1)?.num, size);
    assert.deepEqual(warnings, []);
  });

  it('have them as scalars, and leave them out of histograms, in the server too', async (t) => {
    const logs = join(folder, 'made');
    const told: string[] = [];
    const onNotice = (message: string): void => void told.push(message);
    const log = await EventLog.open({ folder: join(logs, 'run'), layout, from: 0, now: () => Date.now(), onNotice });
    const losses = [0.5, notANumber, infinity, NEGATIVE_INFINITY, 1e300];
    for (const [i, loss] of losses.entries()) log.onStep(stepRecord(i + 1, { loss, gradientNorm: loss }));
    const fills = [[1, 2], [notANumber], [infinity], [notANumber, 1, NEGATIVE_INFINITY, 3.4e38, -3.4e38]];
    for (const [i, fill] of fills.entries()) {
      const weights = new Float32Array(layout.parameters).map((_, at) => fill[at % fill.length] as number);
      log.weights(i + 1, weights);
    }
    await log.close();
    assert.deepEqual(told, []);
    const { scalars, histograms, warnings } = readEvents(join(logs, 'run'));
    for (const tag of ['train/loss', 'train/gradient_norm']) {
      assert.deepEqual(
        scalars[tag]?.map(([, value]) => value),
        [0.5, 'nan', 'inf', '-inf', 'inf'],
        tag,
      );
    }
    assert.deepEqual(warnings, []);
    for (const { name, size } of layout.tensors) {
      const found = histograms[`weights/${name}`] ?? [];
      assert.deepEqual(
        found.slice(0, 3).map(({ num }) => num),
        [size, 0, 0],
        name,
      );
      for (const { num, buckets } of found)
        assert.equal(
          buckets.reduce((sum, count) => sum + count),
          num,
          name,
        );
    }
    const url = await serve(t, logs);
    const get = (path: string): Promise<string> => eventually(t, `${url}data/plugin/${path}`);
    const points = JSON.parse(await get('scalars/scalars?run=run&tag=train/loss')) as unknown[];
    assert.equal(points.length, losses.length);
    const shown = JSON.parse(await get('histograms/histograms?run=run&tag=weights/c1.weight')) as unknown[];
    assert.equal(shown.length, fills.length);
  });
});

/** The server loads beside its answers, in which what it hasn't loaded yet is missing. */
async function eventually(t: TestContext, url: string): Promise<string> {
  for (;;) {
    const response = await fetch(url, { signal: t.signal });
    if (response.ok) return response.text();
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
