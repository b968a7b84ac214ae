import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { RunMetrics } from '#src/coordinator/observe/prometheus/run-metrics.js';
import { startHttp } from '#src/coordinator/observe/web/http.js';
import { skip } from '../../../support/prometheus-server.ts';
import { stepRecord } from '../../../support/step-record.ts';
import { countsOf, info } from './made.ts';

test('promtool has nothing to say', { skip }, async (t) => {
  const metrics = new RunMetrics(new Registry(), info);
  metrics.onStep(stepRecord(1, { timings: { total: 0.005, phases: { compute: 0.004, update: 0.0009 } } }));
  metrics.onEvaluation({ step: 1, testAccuracy: 0.99, testLoss: 0.03, seconds: 0.4 });
  metrics.onCheckpoint({ step: 1, file: 'step-00000001.safetensors', seconds: 0.01 });
  metrics.onEvent({ kind: 'workers', node: 'local', counts: { starting: 1, ready: 2 } });
  metrics.watchNode('local', () => countsOf({}));
  const server = await startHttp({ port: 0, explicit: true, metrics });
  t.after(() => server.close());
  const input = await (await fetch(`${server.url}/metrics`)).text();
  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
  assert.ifError(error);
  assert.equal(stdout + stderr, '');
  assert.equal(status, 0);
});
