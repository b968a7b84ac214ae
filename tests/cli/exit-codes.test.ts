// What an engine that restarts the coordinator reads from its exit code.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { refusing, serve } from '../support/mirror.ts';
import { startLockstep } from '../support/program.ts';
import { takenPort } from '../support/taken-port.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-exit-codes-'));
after(() => rmSync(folder, { recursive: true }));

const run = join(folder, 'run');
const FLAGS = ['train', '--workers', '1', '--iterations', '2', '--out', run, '--resume', 'auto'];

describe('an end that may pass has the exit code 75, its usual message, and leaves no run', () => {
  async function assertEnds(status: number, message: RegExp, flags: readonly string[], mirrors = ''): Promise<void> {
    const env = { MNIST_DIR: '', XDG_CACHE_HOME: join(folder, 'cache'), LOCKSTEP_DATA_MIRRORS: mirrors };
    const ended = await startLockstep([...FLAGS, ...flags], env).ended;
    assert.match(ended.stderr, message);
    assert.doesNotMatch(ended.stderr, /Unexpected failure|^\s+at /m);
    assert.deepEqual([ended.status, existsSync(run)], [status, false], ended.stderr);
  }
  const MNIST = ['--data', 'mnist', '--metrics-port', 'off'];

  test('mirrors that are out of reach', async () => {
    await assertEnds(75, /^No mirror delivered .*ECONNREFUSED/m, MNIST, await refusing());
  });

  test('a mirror that is overloaded', async (t) => {
    const { url } = await serve(t, (_, response) => void response.writeHead(503).end());
    await assertEnds(75, /^No mirror delivered .*answered 503/m, MNIST, url);
  });

  test('but not a mirror that has no such file', async (t) => {
    const { url } = await serve(t, (_, response) => void response.writeHead(404).end());
    await assertEnds(2, /^No mirror delivered .*answered 404/m, MNIST, url);
  });

  for (const [what, flags, of] of [
    ['--listen', ['--metrics-port', 'off', '--listen'], (port: number) => `127.0.0.1:${port}`],
    ['--metrics-port', ['--metrics-port'], String],
  ] as const) {
    test(`a port of ${what} that is taken`, async (t) => {
      const address = of(await takenPort(t));
      await assertEnds(75, /can't be bound|is taken by another program/, ['--data', 'synthetic', ...flags, address]);
    });
  }
});
