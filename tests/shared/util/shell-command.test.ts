import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { quotedForShell, runShellCommand } from '#src/shared/util/shell-command.js';
import { eventually } from '../../support/eventually.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-shell-'));
after(() => rmSync(folder, { recursive: true }));

const OPTIONS = { env: { PATH: process.env.PATH }, limit: 60_000, cwd: folder };
const run = (command: string, options: Partial<Parameters<typeof runShellCommand>[1]> = {}) =>
  runShellCommand(command, { ...OPTIONS, ...options });
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
/** Whether a process is there, and no zombie that nobody has waited for. */
function isAlive(pid: string): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid.trim()}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a shell command', () => {
  it('gets its input, and words are what they were whatever is in them', async () => {
    const word = 'a \'b\' "c" $(d) `e` \\ *\n;f';
    await run(`cat > input; printf %s ${quotedForShell(word)} > word`, { input: 'text' });
    assert.deepEqual([read('input'), read('word')], ['text', word]);
  });

  it('that fails says how, with the end of what it printed', async () => {
    await assert.rejects(run('echo no route >&2; exit 3'), { message: 'it has the exit code 3 (no route)' });
    await assert.rejects(run('kill -TERM $$'), { message: /^it was ended by SIGTERM/ });
  });

  it('that cannot be started fails too', async () => {
    await assert.rejects(run('true', { cwd: join(folder, 'nowhere') }), /ENOENT/);
  });

  it('that takes too long, or is stopped, is ended with what it started', async () => {
    const hangs = 'sleep 1000 & echo $! > pid; wait';
    await assert.rejects(run(hangs, { limit: 1 }), { message: 'it ran for more than 0.001 s' });
    const stop = new AbortController();
    const ended = assert.rejects(run(hangs, { stop: stop.signal }), { message: 'it was ended' });
    await eventually(
      () => 'the process is there, or gone',
      () => existsSync(join(folder, 'pid')) && read('pid') !== '',
    );
    stop.abort();
    await ended;
    await eventually(
      () => 'the process is there, or gone',
      () => !isAlive(read('pid')),
    );
  });

  it('leaves no process behind when it has ended', async () => {
    await run('sleep 1000 & echo $! > left');
    await eventually(
      () => 'the process is there, or gone',
      () => !isAlive(read('left')),
    );
  });

  it('ends with the process that started it, killed or not', { skip: process.platform !== 'linux' }, async () => {
    const module = new URL('../../../shared/util/shell-command.js', import.meta.url).href;
    const command = 'sleep 1000 & echo $! > child; wait';
    const script = `
      import { runShellCommand } from ${JSON.stringify(module)};
      await runShellCommand(${JSON.stringify(command)}, { cwd: ${JSON.stringify(folder)}, env: process.env, limit: 1e6 });`;
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' });
    const exit = once(parent, 'exit');
    await eventually(
      () => 'the process is there, or gone',
      () => existsSync(join(folder, 'child')) && read('child') !== '',
    );
    parent.kill('SIGKILL');
    await exit;
    await eventually(
      () => 'the process is there, or gone',
      () => !isAlive(read('child')),
    );
  });
});
