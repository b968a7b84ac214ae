import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { Registry } from 'prom-client';
import { startHttp } from '#src/coordinator/http.js';
import { RunMetrics } from '#src/coordinator/metrics.js';
import type { StepRecord } from '#src/coordinator/observer.js';
import { ProgressLines } from '#src/coordinator/progress.js';
import { ListenError } from '#src/shared/errors.js';

const info = {
  run: 'first',
  model: 'lenet5',
  dataset: 'mnist',
  backend: 'kernel',
  optimizer: 'adam',
  seed: 1,
  batch: 128,
  version: '0.1.0',
};

function stepRecord(step: number, rest: Partial<StepRecord> = {}): StepRecord {
  return {
    step,
    loss: 0.25,
    accuracy: 0.875,
    learningRate: 0.003,
    gradientNorm: 1.5,
    timings: { total: 0.005 },
    ...rest,
  };
}

/** Samples by name and labels, as Prometheus' text format writes them. */
async function samplesOf(metrics: RunMetrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

describe('RunMetrics', () => {
  test('exports no loss, accuracy or rate before there is one', async () => {
    const samples = await samplesOf(new RunMetrics(new Registry(), info));
    const names = [...samples.keys()].filter((name) => !name.startsWith('lockstep_step_duration_seconds'));
    assert.deepEqual(names.map((name) => name.split('{')[0]).sort(), [
      'lockstep_run_info',
      'lockstep_samples_total',
      'lockstep_steps_total',
    ]);
  });

  test('follows steps, evaluations, checkpoints and workers', async () => {
    const metrics = new RunMetrics(new Registry(), info);
    metrics.onStep(stepRecord(1, { loss: 2.3 }));
    metrics.onStep(stepRecord(2));
    metrics.onEvaluation({ step: 2, testAccuracy: 0.99, testLoss: 0.03, seconds: 0.4 });
    metrics.onCheckpoint({ step: 2, file: 'step-00000002.safetensors', seconds: 0.01 });
    metrics.onEvent({ kind: 'workers', node: 'local', counts: { starting: 1, ready: 2 } });
    const samples = await samplesOf(metrics);
    const expected = {
      lockstep_steps_total: 2,
      lockstep_samples_total: 256,
      lockstep_train_loss: 0.25,
      lockstep_train_accuracy_ratio: 0.875,
      lockstep_test_accuracy_ratio: 0.99,
      lockstep_test_loss: 0.03,
      lockstep_learning_rate: 0.003,
      lockstep_gradient_norm: 1.5,
      lockstep_checkpoint_last_step: 2,
      lockstep_step_duration_seconds_count: 2,
      'lockstep_step_duration_seconds_bucket{le="0.004"}': 0,
      'lockstep_step_duration_seconds_bucket{le="0.006"}': 2,
      'lockstep_workers{node="local",state="starting"}': 1,
      'lockstep_workers{node="local",state="ready"}': 2,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
    const run = [...samples.keys()].find((name) => name.startsWith('lockstep_run_info'));
    assert.match(run ?? '', /run="first".*seed="1"/);
  });
});

/** A server that takes a port for the length of a test. */
async function taken(t: TestContext): Promise<number> {
  const server: Server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('startHttp', () => {
  const metrics = { contentType: 'text/plain; version=0.0.4', text: async () => 'lockstep_steps_total 1\n' };

  test('serves metrics and health', async (t) => {
    const server = await startHttp({ port: 0, explicit: true, metrics });
    t.after(() => server.close());
    const response = await fetch(`${server.url}/metrics`);
    assert.equal(response.headers.get('content-type'), metrics.contentType);
    assert.equal(await response.text(), 'lockstep_steps_total 1\n');
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
    assert.equal((await fetch(`${server.url}/other`)).status, 404);
    assert.equal(server.moved, false);
  });

  test('takes a free port where the default is taken, and says that it moved', async (t) => {
    const port = await taken(t);
    const server = await startHttp({ port, explicit: false, metrics });
    t.after(() => server.close());
    assert.equal(server.moved, true);
    assert.notEqual(new URL(server.url).port, String(port));
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  });

  test('refuses to start where the given port is taken', async (t) => {
    const port = await taken(t);
    await assert.rejects(startHttp({ port, explicit: true, metrics }), (error) => {
      assert.ok(error instanceof ListenError);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, new RegExp(`Port ${port} .* is taken`));
      return true;
    });
  });

  test('closes while a connection is kept open', async () => {
    const server = await startHttp({ port: 0, explicit: true, metrics });
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    const [answer] = await once(socket, 'data');
    assert.match(String(answer), /200 OK.*keep-alive/is);
    const ended = once(socket, 'close');
    await server.close();
    await ended;
  });
});

describe('ProgressLines', () => {
  function progress(steps: number) {
    const clock = { now: 0 };
    const lines: string[] = [];
    const observer = new ProgressLines({
      steps,
      batch: 128,
      now: () => clock.now,
      write: (line) => lines.push(line),
    });
    return { clock, lines, observer };
  }

  test('writes a line every five seconds, at evaluations and at the end', () => {
    const { clock, lines, observer } = progress(4000);
    for (let step = 1; step <= 4000; step++) {
      clock.now += 5;
      observer.onStep(stepRecord(step, step === 1500 ? { testAccuracy: 0.9875 } : {}));
    }
    assert.deepEqual(lines, [
      'step 1000/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  15 s left',
      'step 1500/4000  loss 0.2500  accuracy 87.50 %  test 98.75 %  25,600 samples/s  13 s left',
      'step 2500/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  8 s left',
      'step 3500/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  3 s left',
      'step 4000/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s',
    ]);
  });

  test('times a resumed run by its own steps', () => {
    const { clock, lines, observer } = progress(10_000);
    clock.now = 6000;
    observer.onStep(stepRecord(9001));
    assert.match(lines[0] ?? '', /^step {2}9001\/10000 .* 1 h 39 min left$/);
  });

  test('passes notices on', () => {
    const { lines, observer } = progress(10);
    observer.onEvent({ kind: 'notice', message: 'a worker was replaced' });
    observer.onEvent({ kind: 'workers', node: 'local', counts: { starting: 0, ready: 1 } });
    assert.deepEqual(lines, ['a worker was replaced']);
  });
});
