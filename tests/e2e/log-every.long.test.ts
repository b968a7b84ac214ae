// Runs with fewer lines in their logs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { lockstep, SMALL, startLockstep, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-log-every-'));
after(() => rmSync(folder, { recursive: true }));

const ITERATIONS = 600;
const FLAGS = [...SMALL, '--iterations', String(ITERATIONS), '--hash-every', '50'];
const whole = join(folder, 'whole');
const thinned = join(folder, 'thinned');

function run(...args: readonly string[]): string {
  const { status, stdout, stderr } = lockstep(args);
  assert.equal(status, 0, stdout + stderr);
  return stdout + stderr;
}

function assertVerified(path: string): void {
  const text = run('verify', path, '--spans', '1', '--workers', '1', '--data', 'synthetic');
  assert.match(text, /^log .* steps in \d+ lines, none missing of those that are due$/m);
}

it('a log with a line every 70 steps is verified, and compared with one that has all', () => {
  run('train', ...FLAGS, '--out', whole);
  run('train', ...FLAGS, '--out', thinned, '--log-every', '70');
  const steps = stepsOf(thinned).map(({ step }) => step);
  const due = (step: number): boolean => step === 1 || step % 70 === 0 || step % 50 === 0;
  assert.deepEqual(steps, Array.from({ length: ITERATIONS }, (_, i) => i + 1).filter(due));
  assertVerified(thinned);
  assert.equal(run('diff', whole, thinned), `The same bits for all ${steps.length} steps that both logs have.\n`);
});

it('a run that is stopped where no line is due has its last step, and once resumed the log of an undisturbed one', async () => {
  const out = join(folder, 'stopped');
  const program = startLockstep(['train', ...FLAGS, '--out', out, '--log-every', '70']);
  await program.said(/^step +100\//);
  program.signal('SIGTERM');
  const { status, stderr } = await program.ended;
  // It may have been done before.
  assert.ok(status === 143 || status === 0, stderr);
  assertVerified(out);
  const resumed = lockstep(['train', '--resume', out, '--data', 'synthetic', '--metrics-port', 'off']);
  assert.equal(resumed.status, 0, resumed.stderr);
  assert.doesNotMatch(resumed.stderr, /lacks/);
  assert.deepEqual(stepsOf(out), stepsOf(thinned));
  assertVerified(out);
});
