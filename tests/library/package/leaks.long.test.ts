// A hundred trainings one after the other leave nothing behind.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../api/made.ts';
import type { Resources } from './many-trainings.ts';

const SCRIPT = fileURLToPath(new URL('./many-trainings.js', import.meta.url));
/** What the heap may gain in ninety runs. Two weight buffers of one of them have 2 KB; a forgotten pool has megabytes. */
const MAX_GROWTH = 6e6;
/** Of the whole process, whose allocator keeps some of what was freed; the memory of ninety runs is 2 GB. */
const MAX_RESIDENT_GROWTH = 80e6;

test('neither threads, handles, memory, listeners nor output', () => {
  const args = ['--expose-gc', SCRIPT, temporaryFolder()];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 600_000 });
  assert.equal(status, 0, stderr);
  assert.equal(stderr, '');
  const [early, middle, late, ...rest] = stdout.trim().split('\n');
  assert.deepEqual(rest, [], 'the library has printed');
  const [first, second, last] = [early, middle, late].map((line) => JSON.parse(line as string) as Resources) as [
    Resources,
    Resources,
    Resources,
  ];
  const countsOf = ({ threads, handles, listeners, active }: Resources) => ({ threads, handles, listeners, active });
  assert.deepEqual(countsOf(last), countsOf(first));
  assert.equal(last.listeners, 0);
  const growth = last.bytes - first.bytes;
  const resident = last.resident - first.resident;
  assert.ok(resident < MAX_RESIDENT_GROWTH, `${resident} bytes resident`);
  assert.ok(growth < MAX_GROWTH, `${growth} bytes: ${[first, second, last].map(({ bytes }) => bytes)}`);
});
