import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Registry } from 'prom-client';
import { RunMetrics } from '#src/coordinator/observe/prometheus/run-metrics.js';
import { stepRecord } from '../../../support/step-record.ts';
import { countsOf, info } from './made.ts';

const OF_ALL = /run="first",id="0a1b2c3d4e5f6071",|,?run="first",id="0a1b2c3d4e5f6071"(?=})/;

/** Samples by name and labels, as Prometheus' text format writes them. */
async function samplesOf(metrics: RunMetrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  // The run's name and its id are labels of all of them.
  const short = (line: string): string => line.replace(OF_ALL, '').replace('{}', '');
  return new Map(lines.map((line) => [short(line.slice(0, line.lastIndexOf(' '))), Number(line.split(' ').at(-1))]));
}

describe('RunMetrics', () => {
  test('exports no loss, accuracy or rate before there is one', async () => {
    const samples = await samplesOf(new RunMetrics(new Registry(), info));
    const names = [...samples.keys()].filter((name) => !/_duration_seconds(_bucket|_count|_sum)/.test(name));
    assert.deepEqual(names.map((name) => name.split('{')[0]).sort(), [
      'lockstep_audits_total',
      'lockstep_audits_total',
      'lockstep_kernel_differs',
      'lockstep_network_bytes_total',
      'lockstep_network_bytes_total',
      'lockstep_node_joins_total',
      ...['lockstep_node_leaves_total', 'lockstep_node_leaves_total', 'lockstep_node_leaves_total'],
      'lockstep_nodes',
      'lockstep_reconnects_total',
      'lockstep_run_info',
      'lockstep_samples_total',
      'lockstep_steps_total',
    ]);
  });

  test('follows steps, evaluations, checkpoints and workers', async () => {
    const metrics = new RunMetrics(new Registry(), info, () => 1_700_000_000_500);
    metrics.begin({ attempt: 2, startedAt: 1_700_000_000_250, step: 0, iterations: 10, replicas: 4, syncEvery: 8 });
    metrics.onStep(stepRecord(1, { loss: 2.3 }));
    metrics.onStep(stepRecord(2, { timings: { total: 0.005, phases: { compute: 0.004, update: 0.0009 } } }));
    metrics.onEvaluation({ step: 2, testAccuracy: 0.99, testLoss: 0.03, seconds: 0.4 });
    metrics.onCheckpoint({ step: 2, file: 'step-00000002.safetensors', seconds: 0.01 });
    metrics.onEvent({ kind: 'workers', node: 'local', counts: { starting: 1, ready: 2 } });
    for (const node of ['a', 'b', 'c']) metrics.onEvent({ kind: 'joined', node });
    metrics.onEvent({ kind: 'gone', node: 'a', reason: 'lost' });
    metrics.onEvent({ kind: 'gone', node: 'b', reason: 'closed' });
    const shards = { done: 30, late: 0, lost: 2 };
    metrics.watchNode('local', () => ({ ...countsOf({ shards }), memoryBytes: 5e7, eventLoopLagSeconds: 0.002 }));
    await samplesOf(metrics);
    shards.done = 32;
    const samples = await samplesOf(metrics);
    const expected = {
      lockstep_step: 2,
      lockstep_iterations: 10,
      lockstep_attempt: 2,
      lockstep_replicas: 4,
      lockstep_round_steps: 8,
      lockstep_start_timestamp_seconds: 1_700_000_000.25,
      lockstep_steps_total: 2,
      lockstep_samples_total: 256,
      lockstep_train_loss: 0.25,
      lockstep_train_accuracy_ratio: 0.875,
      lockstep_test_accuracy_ratio: 0.99,
      lockstep_test_loss: 0.03,
      lockstep_learning_rate: 0.003,
      lockstep_gradient_norm: 1.5,
      lockstep_checkpoint_last_step: 2,
      lockstep_checkpoint_last_timestamp_seconds: 1_700_000_000.5,
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
      'lockstep_shards_dealt_total{node="local",reason="first"}': 30,
      'lockstep_shards_dealt_total{node="local",reason="retry"}': 2,
      'lockstep_shards_dealt_total{node="local",reason="duplicate"}': 1,
      'lockstep_workers_lost_total{node="local"}': 1,
      'lockstep_worker_samples_total{node="local",worker="0"}': 128,
      'lockstep_worker_samples_total{node="local",worker="1"}': 112,
      'lockstep_node_processor_seconds_total{node="local"}': 2.5,
      'lockstep_node_memory_bytes{node="local"}': 5e7,
      'lockstep_node_event_loop_lag_seconds{node="local"}': 0.002,
      lockstep_nodes: 1,
      lockstep_node_joins_total: 3,
      'lockstep_node_leaves_total{reason="left"}': 0,
      'lockstep_node_leaves_total{reason="lost"}': 1,
      'lockstep_node_leaves_total{reason="closed"}': 1,
      'lockstep_network_bytes_total{direction="sent"}': 0,
      'lockstep_workers{node="local",state="starting"}': 1,
      'lockstep_workers{node="local",state="ready"}': 2,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(samples.get(name), value, name);
    const run = [...samples.keys()].find((name) => name.startsWith('lockstep_run_info'));
    assert.match(run ?? '', /model="lenet5".*seed="1"/);
  });

  test("has the caller's own scalars of the last step, if there are any", async () => {
    const metrics = new RunMetrics(new Registry(), info);
    metrics.onStep(stepRecord(1));
    assert.doesNotMatch(await metrics.text(), /lockstep_scalar/);
    metrics.onStep(stepRecord(2, { scalars: { gpuTemperature: 61, load: 0.5 } }));
    const ofBoth = await samplesOf(metrics);
    assert.equal(ofBoth.get('lockstep_scalar{name="gpuTemperature"}'), 61);
    assert.equal(ofBoth.get('lockstep_scalar{name="load"}'), 0.5);
    metrics.onStep(stepRecord(3, { scalars: { load: 0.75 } }));
    const ofOne = [...(await samplesOf(metrics))].filter(([name]) => name.startsWith('lockstep_scalar'));
    assert.deepEqual(ofOne, [['lockstep_scalar{name="load"}', 0.75]]);
  });

  test('names the run and its id in every series', async () => {
    const metrics = new RunMetrics(new Registry(), info);
    metrics.onStep(stepRecord(1, { timings: { total: 0.005, phases: { compute: 0.004 } } }));
    metrics.watchNode('local', () => countsOf({}));
    const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.deepEqual(
      lines.filter((line) => !line.includes('run="first",id="0a1b2c3d4e5f6071"')),
      [],
    );
  });

  test('shows nothing of a node that is forgotten', async () => {
    const metrics = new RunMetrics(new Registry(), info);
    for (const node of ['local', 'gone']) {
      metrics.onEvent({ kind: 'workers', node, counts: { starting: 0, ready: 2 } });
      metrics.watchNode(node, () => ({ ...countsOf({}), partials: 3, memoryBytes: 5e7, eventLoopLagSeconds: 0.002 }));
    }
    const of = async (node: string) =>
      [...(await samplesOf(metrics)).keys()].filter((name) => name.includes(`"${node}"`));
    const before = await of('gone');
    assert.ok(before.length >= 10);
    metrics.forgetNode('gone');
    assert.deepEqual(await of('gone'), []);
    assert.equal((await of('local')).length, before.length);
  });
});
