// What ends npm ends the command that it started: npm, killed or ended, leaves its child behind.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lockstep, manifestOf, type Program, SMALL, startProgram } from '../support/program.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'lockstep-npm-end-'));
after(() => rmSync(folder, { recursive: true }));

const { PATH, HOME, MNIST_DIR = '' } = process.env;
const env = { PATH, HOME, MNIST_DIR, XDG_CACHE_HOME: folder, LOCKSTEP_LOG_FORMAT: 'text' };
const ENDLESS = [...SMALL, '--iterations', '100000000', '--checkpoint-every', '0'];

function npm(...args: readonly string[]): Program {
  return startProgram(['npm', ...args], { env, cwd: root });
}

const run = join(folder, 'run');
assert.equal(lockstep(['train', ...SMALL, '--iterations', '1', '--out', run]).status, 0);

describe('a command whose npm has ended', () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`saves a run and ends, after ${signal}`, async () => {
      const out = join(folder, signal);
      const program = npm('start', '--', ...ENDLESS, '--out', out);
      await program.said(/^step +100\//);
      program.signal(signal);
      // Its output ends with the last process that has it.
      const { stderr } = await program.ended;
      assert.match(stderr, /^npm, which started this, has ended: finishing this step/m);
      assert.match(stderr, /^Stopped after/m);
      assert.equal(manifestOf(out).state, 'stopped');
      assert.ok(!existsSync(join(out, 'run.lock')));
    });
  }

  for (const [name, args, ready] of [
    ['a worker', ['worker', '--connect', 'ws://127.0.0.1:9', '--threads', '1'], /^No connection/],
    ['draw', ['draw', '--run', run, '--port', '0'], /draw at http/],
    ['dashboard', ['dashboard', run, '--metrics-port', '0'], /http:.*Ctrl-C/],
  ] as const) {
    it(`ends ${name}`, async () => {
      const program = npm('run', 'lockstep', '--', ...args);
      await program.said(ready);
      program.signal('SIGKILL');
      assert.match((await program.ended).stderr, /^npm, which started this, has ended/m);
    });
  }

  it('goes on if a script that npm runs has left it behind', async () => {
    const out = join(folder, 'left');
    const main = join(root, 'dist/cli/main.js');
    // The shell that starts it is not npm's own.
    const command = [process.execPath, main, 'train', ...ENDLESS, '--out', out].join(' ');
    const program = startProgram(['npm', 'exec', '--no', '-c', `sh -c '${command} & wait'`], { env, cwd: root });
    await program.said(/^step +100\//);
    program.signal('SIGKILL');
    const { pid } = JSON.parse(readFileSync(join(out, 'run.lock'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGUSR1');
    await program.said(/^SIGUSR1: a checkpoint/);
    process.kill(pid, 'SIGTERM');
    assert.match((await program.ended).stderr, /^SIGTERM: finishing/m);
  });
});
