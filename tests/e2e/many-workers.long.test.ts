// A machine of 128 processors, faked, with as many real threads.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { DATA, type Ended, manifestOf, startLockstep } from '../support/program.ts';

const MANY = 128;
const GIBIBYTE = 2 ** 30;
const folder = mkdtempSync(join(tmpdir(), 'lockstep-many-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = [...DATA, '--iterations', '2', '--evaluate-every', '0', '--metrics-port', 'off'];
const PRESET = ['--preset', 'large-batch'];
const manyProcessors = { NODE_OPTIONS: `--import ${new URL('../support/many-processors.js', import.meta.url)}` };
const skip = freemem() < 6 * GIBIBYTE && 'needs 6 GiB of memory';

function hashOf(run: string): string {
  return (manifestOf(run).result as unknown as { weightsSha256: string }).weightsSha256;
}

function workersOf(run: string): number {
  return (manifestOf(run).config as unknown as { workers: number }).workers;
}

function assertDone({ status, stderr }: Ended): void {
  assert.equal(status, 0, stderr);
}

describe('128 processors', { skip, timeout: 600_000 }, () => {
  let expected: string;

  it('all train by default, with the preset for many workers', async () => {
    const [few, many] = [join(folder, 'few'), join(folder, 'many')];
    assertDone(await startLockstep(['train', ...PRESET, ...FLAGS, '--workers', '2', '--out', few]).ended);
    assertDone(await startLockstep(['train', ...PRESET, ...FLAGS, '--out', many], manyProcessors).ended);
    assert.equal(workersOf(many), MANY);
    expected = hashOf(few);
    assert.equal(hashOf(many), expected);
  });

  it('all train as a node', async () => {
    const run = join(folder, 'node');
    const listening = ['--workers', '0', '--listen', '127.0.0.1:0'];
    const coordinator = startLockstep(['train', ...PRESET, ...FLAGS, ...listening, '--out', run]);
    const url = /ws:\/\/[\d.:]+/.exec(await coordinator.said(/ws:\/\//))?.[0] as string;
    const node = startLockstep(['worker', '--connect', url, ...DATA], manyProcessors);
    assertDone(await coordinator.ended);
    const { status, stderr } = await node.ended;
    assert.equal(status, 0, stderr);
    assert.match(stderr, /Computing for ws:.* with 128 threads/);
    assert.equal(hashOf(run), expected);
  });

  it('are refused by hand if one shared memory is too small for them, in words that help', async () => {
    const flags = ['--batch', '65536', '--shard-size', '16384', '--workers', String(MANY)];
    const run = join(folder, 'refused');
    const { status, stderr } = await startLockstep(['train', ...FLAGS, ...flags, '--out', run]).ended;
    assert.equal(status, 2, stderr);
    assert.match(
      stderr,
      /--workers: expected at most \d+, which is what a shared memory of 4 GiB holds .* but got 128/,
    );
  });
});
