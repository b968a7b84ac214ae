import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { Registry } from 'prom-client';
import { startHttp } from '#src/coordinator/http.js';
import { RunMetrics } from '#src/coordinator/metrics.js';
import type { StepRecord } from '#src/coordinator/observer.js';
import { ListenError } from '#src/shared/errors.js';
import { takenPort } from './taken-port.ts';

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
    const names = [...samples.keys()].filter((name) => !/_duration_seconds(_bucket|_count|_sum)/.test(name));
    assert.deepEqual(names.map((name) => name.split('{')[0]).sort(), [
      'lockstep_audits_total',
      'lockstep_audits_total',
      'lockstep_network_bytes_total',
      'lockstep_network_bytes_total',
      'lockstep_reconnects_total',
      'lockstep_run_info',
      'lockstep_samples_total',
      'lockstep_steps_total',
    ]);
  });

  test('follows steps, evaluations, checkpoints and workers', async () => {
    const metrics = new RunMetrics(new Registry(), info);
    metrics.onStep(stepRecord(1, { loss: 2.3 }));
    metrics.onStep(stepRecord(2, { timings: { total: 0.005, phases: { compute: 0.004, update: 0.0009 } } }));
    metrics.onEvaluation({ step: 2, testAccuracy: 0.99, testLoss: 0.03, seconds: 0.4 });
    metrics.onCheckpoint({ step: 2, file: 'step-00000002.safetensors', seconds: 0.01 });
    metrics.onEvent({ kind: 'workers', node: 'local', counts: { starting: 1, ready: 2 } });
    const shards = { done: 30, late: 0, lost: 2 };
    metrics.watchNode('local', shards);
    await samplesOf(metrics);
    shards.done = 32;
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
      lockstep_checkpoint_duration_seconds_sum: 0.01,
      lockstep_checkpoint_duration_seconds_count: 1,
      'lockstep_phase_duration_seconds_sum{phase="compute"}': 0.004,
      'lockstep_phase_duration_seconds_count{phase="update"}': 1,
      lockstep_step_duration_seconds_count: 2,
      'lockstep_step_duration_seconds_bucket{le="0.004"}': 0,
      'lockstep_step_duration_seconds_bucket{le="0.006"}': 2,
      'lockstep_shards_total{node="local",outcome="done"}': 32,
      'lockstep_shards_total{node="local",outcome="late"}': 0,
      'lockstep_shards_total{node="local",outcome="lost"}': 2,
      'lockstep_network_bytes_total{direction="sent"}': 0,
      'lockstep_workers{node="local",state="starting"}': 1,
      'lockstep_workers{node="local",state="ready"}': 2,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
    const run = [...samples.keys()].find((name) => name.startsWith('lockstep_run_info'));
    assert.match(run ?? '', /run="first".*seed="1"/);
  });
});

const promtool = process.env.CI === 'true' || spawnSync('promtool', ['--version']).status === 0;

test('promtool has nothing to say', {
  skip: promtool ? false : "promtool, of Debian's package prometheus, is not installed",
}, async (t) => {
  const metrics = new RunMetrics(new Registry(), info);
  metrics.onStep(stepRecord(1, { timings: { total: 0.005, phases: { compute: 0.004, update: 0.0009 } } }));
  metrics.onEvaluation({ step: 1, testAccuracy: 0.99, testLoss: 0.03, seconds: 0.4 });
  metrics.onCheckpoint({ step: 1, file: 'step-00000001.safetensors', seconds: 0.01 });
  metrics.onEvent({ kind: 'workers', node: 'local', counts: { starting: 1, ready: 2 } });
  metrics.watchNode('local', { done: 32, late: 0, lost: 0 });
  const server = await startHttp({ port: 0, explicit: true, metrics });
  t.after(() => server.close());
  const input = await (await fetch(`${server.url}/metrics`)).text();
  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
  assert.ifError(error);
  assert.equal(stdout + stderr, '');
  assert.equal(status, 0);
});

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
    const port = await takenPort(t);
    const server = await startHttp({ port, explicit: false, metrics });
    t.after(() => server.close());
    assert.equal(server.moved, true);
    assert.notEqual(new URL(server.url).port, String(port));
    assert.equal((await fetch(`${server.url}/healthz`)).status, 200);
  });

  test('refuses to start where the given port is taken', async (t) => {
    const port = await takenPort(t);
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
