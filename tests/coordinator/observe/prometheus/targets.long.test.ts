import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { lockstep, startLockstep } from '../../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-targets-'));
after(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'targets.json');
const TRAIN = ['train', '--data', 'synthetic', '--workers', '1', '--batch', '8', '--metrics-targets', file];

function addresses(): string[] {
  const groups: { targets: string[] }[] = JSON.parse(readFileSync(file, 'utf8'));
  return groups.flatMap(({ targets }) => targets);
}

it('runs that share a file are there while they serve metrics, also after one of them was killed', async () => {
  const flags = ['--iterations', '100000000', '--evaluate-every', '0', '--metrics-port', '0'];
  const start = (name: string) => startLockstep([...TRAIN, ...flags, '--out', join(folder, name)]);
  const hostOf = async (program: ReturnType<typeof start>) =>
    new URL((await program.said(/^Metrics: /)).slice('Metrics: '.length)).host;
  const [first, killed] = [start('first'), start('killed')];
  const both = [await hostOf(first), await hostOf(killed)];
  assert.deepEqual(addresses().sort(), both.sort());
  for (const host of both) assert.equal((await fetch(`http://${host}/metrics`)).status, 200);
  killed.signal('SIGKILL');
  await killed.ended;
  const third = start('third');
  const living = [await hostOf(first), await hostOf(third)];
  assert.deepEqual(addresses().sort(), living.sort());
  for (const program of [first, third]) {
    program.signal('SIGTERM');
    assert.equal((await program.ended).status, 143);
  }
  assert.deepEqual(addresses(), []);
});

it('a run that is refused its port leaves nothing there', () => {
  const { status, stderr } = lockstep([
    ...TRAIN,
    '--iterations',
    '1',
    '--metrics-port',
    '1',
    '--metrics-host',
    '192.0.2.1',
  ]);
  assert.notEqual(status, 0, stderr);
  assert.deepEqual(addresses(), []);
});
