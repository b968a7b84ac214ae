import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockstep, manifestOf, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-uncaught-'));
after(() => rmSync(folder, { recursive: true }));

it('an exception that nothing catches still leaves a checkpoint and the state failed', async () => {
  const run = join(folder, 'run');
  const preload = fileURLToPath(new URL('../support/throw-later.js', import.meta.url));
  const flags = ['--data', 'synthetic', '--iterations', '1000000', '--workers', '1', '--metrics-port', 'off'];
  const { ended } = startLockstep(['train', ...flags, '--batch', '8', '--evaluate-every', '0', '--out', run], {
    NODE_OPTIONS: `--import ${preload}`,
    RUN: run,
  });
  const { status, stderr } = await ended;
  assert.equal(status, 1, stderr);
  assert.match(stderr, /Unexpected failure: thrown by a timer/);
  const { state, failure, attempts } = manifestOf(run) as unknown as {
    state: string;
    failure: string;
    attempts: { steps: number }[];
  };
  assert.deepEqual([state, failure], ['failed', 'thrown by a timer']);
  const [last] = readdirSync(join(run, 'checkpoints')).sort().reverse();
  assert.equal(Number.parseInt(String(last).slice(5), 10), attempts[0]?.steps);
  // Nothing is lost: the steps so far can be verified.
  assert.equal(lockstep(['verify', run, '--data', 'synthetic', '--spans', '1']).status, 0);
});
