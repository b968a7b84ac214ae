import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DATA, lockstep } from '../../support/program.ts';

const root = mkdtempSync(join(tmpdir(), 'lockstep-diff-'));
after(() => rmSync(root, { recursive: true }));

test('real runs are the same for any number of workers, and differ for another learning rate', () => {
  const train = (out: string, ...args: string[]): void => {
    const common = ['--iterations', '5', '--batch', '16', '--metrics-port', 'off', ...DATA];
    const { status, stderr } = lockstep(['train', ...common, '--out', out, ...args], { cwd: root });
    assert.equal(status, 0, stderr);
  };
  const diff = (...args: string[]) => lockstep(['diff', ...args], { cwd: root });
  train('one', '--workers', '1', '--hash-every', '2');
  train('two', '--workers', '2', '--hash-every', '2', '--checkpoint-every', '1');
  train('three', '--workers', '2', '--hash-every', '2', '--learning-rate', '0.004');
  assert.deepEqual(diff('one', 'two'), { status: 0, stdout: 'The same bits for all 5 steps.\n', stderr: '' });
  const { same, steps, first, causes } = JSON.parse(diff('two', 'three', '--json').stdout);
  assert.deepEqual([same, steps, first.step], [false, 0, 1]);
  assert.deepEqual(Object.keys(first.fields), ['learningRate']);
  assert.deepEqual(causes, [{ what: 'option', name: '--learning-rate', values: [0.003, 0.004] }]);
});
