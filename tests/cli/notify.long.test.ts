// What --notify tells of whole processes: signals, failures that nothing catches, and a run that diverges.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Notification } from '#src/coordinator/observe/notify/notifier.js';
import { serve } from '../support/mirror.ts';
import { SMALL, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-notify-'));
after(() => rmSync(folder, { recursive: true }));

const TRAIN = ['train', ...SMALL, '--iterations', '1000000'];
const told = (name: string): Notification[] =>
  readFileSync(join(folder, name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('--notify', () => {
  it('tells a URL of signals and of the stop, which run.json and the output have nothing of', async (t) => {
    const received: Notification[] = [];
    const { url } = await serve(t, async (request, response) => {
      received.push((await json(request)) as Notification);
      response.end();
    });
    const run = join(folder, 'stopped');
    const program = startLockstep([...TRAIN, '--out', run], { LOCKSTEP_NOTIFY: `${url}s3cret` });
    await program.said(/^step +100\//);
    program.signal('SIGUSR1');
    await program.said(/^SIGUSR1: a checkpoint/);
    program.signal('SIGTERM');
    const { status, stderr } = await program.ended;
    assert.equal(status, 143, stderr);
    assert.deepEqual(
      received.map(({ event, signal, run: name }) => [event, signal, name]),
      [
        ['signal', 'SIGUSR1', 'stopped'],
        ['signal', 'SIGTERM', 'stopped'],
        ['stopped', 'SIGTERM', 'stopped'],
      ],
    );
    assert.ok((received[2]?.result?.steps ?? 0) >= 100);
    assert.doesNotMatch(stderr + readFileSync(join(run, 'run.json'), 'utf8'), /s3cret/);
  });

  it('tells of an exception that nothing catches, once', async () => {
    const run = join(folder, 'uncaught');
    const preload = fileURLToPath(new URL('../support/throw-later.js', import.meta.url));
    const env = { NODE_OPTIONS: `--import ${preload}`, RUN: run };
    const notify = ['--notify', `cat >> ${join(folder, 'told-uncaught')}`];
    const { status, stderr } = await startLockstep([...TRAIN, ...notify, '--out', run], env).ended;
    assert.equal(status, 1, stderr);
    const [only, ...others] = told('told-uncaught');
    assert.deepEqual([only?.event, only?.error?.message, others], ['failed', 'thrown by a timer', []]);
  });

  it('tells of a run that diverges', async () => {
    const flags = ['--optimizer', 'sgd', '--learning-rate', '1e6', '--warmup', '0', '--out', join(folder, 'diverged')];
    const notify = ['--notify', `cat >> ${join(folder, 'told-diverged')}`];
    const { status, stderr } = await startLockstep([...TRAIN, ...flags, ...notify]).ended;
    assert.equal(status, 3, stderr);
    const events = told('told-diverged').map(({ event, error }) => [event, error?.exitCode]);
    assert.deepEqual(events, [['failed', 3]]);
  });
});
