import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { skip } from '../support/prometheus-server.ts';
import { pathOf } from './read.ts';

function promtool(...args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
  assert.ifError(error);
  assert.equal(status, 0, stdout + stderr);
}

describe('Prometheus takes them', { skip }, () => {
  test('the configuration and its rules', () => promtool('check', 'config', pathOf('prometheus/prometheus.yaml')));
  for (const file of ['rules', 'alerts']) {
    test(`the cases of ${file}.yaml`, () => promtool('test', 'rules', pathOf(`prometheus/${file}.test.yaml`)));
  }
});
