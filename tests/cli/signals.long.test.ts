import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { serve } from '../support/mirror.ts';
import { lockstep, manifestOf, type Program, startLockstep } from '../support/program.ts';
import { startReceiver } from '../support/receiver.ts';
import { inTerminal, skip } from '../support/terminal/pseudo-terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-signals-'));
after(() => rmSync(folder, { recursive: true }));

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const DATA = ['--data', 'synthetic'];
const SHORT = [...DATA, '--workers', '1', '--batch', '8', '--evaluate-every', '0', '--metrics-port', 'off'];
const TRAIN = ['train', ...SHORT, '--iterations', '1000000', '--checkpoint-every', '0', '--log-format', 'text'];

const lacks = (command: string): string | false =>
  process.env.CI !== 'true' && spawnSync(command, ['--version']).error !== undefined && `${command} isn't installed`;

function assertSaved(run: string): void {
  assert.equal(manifestOf(run).state, 'stopped');
  assert.ok(readdirSync(join(run, 'checkpoints')).some((name) => /^step-\d+\.safetensors$/.test(name)));
}

/** Resolves when the condition holds: what it looks at is another process's doing. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(20);
}

/** `lockstep evaluate` that waits for a mirror of MNIST, which then refuses. */
async function startEvaluation(t: TestContext, inside: readonly string[] = []) {
  const work = mkdtempSync(join(folder, 'evaluation-'));
  const [run, weights, checkpoint] = ['run', 'w.safetensors', 'c.safetensors'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  const done = (args: readonly string[]): void => assert.equal(lockstep(args).status, 0, args.join(' '));
  done(['train', ...SHORT, '--iterations', '1', '--out', run]);
  done(['export', run, '--format', 'safetensors', '--out', weights]);
  // Without metadata, nobody knows on which data set they were trained.
  const bytes = readFileSync(weights);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: _, ...tensors } = JSON.parse(bytes.subarray(8, end).toString());
  bytes.write(JSON.stringify(tensors).padEnd(end - 8), 8);
  writeFileSync(weights, bytes);
  done(['import', weights, '--out', checkpoint]);
  const refuse = (response: ServerResponse): unknown => response.writeHead(404).end();
  const waiting: ServerResponse[] = [];
  let answer = (response: ServerResponse): unknown => waiting.push(response);
  const { url } = await serve(t, (_request, response) => answer(response));
  const env = { HOME: work, MNIST_DIR: '', LOCKSTEP_MNIST_MIRRORS: url };
  const program = startLockstep(['evaluate', checkpoint], env, inside);
  await until(() => waiting.length > 0);
  const goOn = (): void => {
    answer = refuse;
    waiting.forEach(refuse);
  };
  return { program, goOn };
}

async function assertContinues(program: Program): Promise<void> {
  program.signal('SIGUSR1');
  await program.said(/^SIGUSR1: a checkpoint/);
  program.signal('SIGTERM');
  assert.equal((await program.ended).status, 143);
}

it('a SIGHUP whose SIGTERM comes with it, twice, lets a run be saved', async (t) => {
  // Without the receiver, the run could end between the signals.
  const { url } = await startReceiver(t, () => {});
  const run = join(folder, 'hangup');
  const program = startLockstep([...TRAIN, '--remote-write', url, '--out', run]);
  await program.said(/^step +100\//);
  for (const name of ['SIGHUP', 'SIGTERM', 'SIGTERM'] as const) program.signal(name);
  const { status, stderr } = await program.ended;
  assert.equal(status, 129, stderr);
  assertSaved(run);
});

it('a SIGINT of a person who no longer waits ends a run at once', async (t) => {
  // The end of a run that was stopped waits three seconds for a receiver that doesn't answer.
  const { url } = await startReceiver(t, () => {});
  const run = join(folder, 'impatient');
  const program = startLockstep([...TRAIN, '--remote-write', url, '--out', run]);
  await program.said(/^step +100\//);
  program.signal('SIGINT');
  await program.said(/^SIGINT: finishing/);
  while (program.signal('SIGINT')) await pause(100);
  const { status, stderr } = await program.ended;
  // null: another SIGINT of this test came while it was ending.
  assert.ok(status === 130 || status === null, stderr);
  assert.doesNotMatch(stderr, /^Stopped after/m);
  assert.equal(manifestOf(run).state, 'running');
});

describe('a worker', () => {
  const start = (flags: readonly string[] = [], inside: readonly string[] = []): Program =>
    startLockstep(['worker', '--connect', 'ws://127.0.0.1:9', '--threads', '1', ...flags], {}, inside);

  it('leaves at SIGHUP with exit code 129', async () => {
    const program = start();
    await program.said(/^No connection/);
    program.signal('SIGHUP');
    assert.equal((await program.ended).status, 129);
  });

  it('says that it has no checkpoint to take, and goes on; no debugger opens', async () => {
    const program = start(['--on-hangup', 'ignore']);
    await program.said(/^No connection/);
    for (const name of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
      program.signal(name);
      await program.said(new RegExp(`^${name}: `));
    }
    program.signal('SIGTERM');
    const { status, stderr } = await program.ended;
    assert.equal(status, 143, stderr);
    assert.doesNotMatch(stderr, /debugger|inspector|checkpoint is taken/i);
  });
});

it('a command without checkpoints goes on after SIGUSR1 and SIGUSR2, and no debugger opens', async (t) => {
  const { program, goOn } = await startEvaluation(t);
  for (const name of ['SIGUSR1', 'SIGUSR2'] as const) {
    program.signal(name);
    await program.said(new RegExp(`^${name}: there is no checkpoint`));
  }
  goOn();
  const { status, stderr } = await program.ended;
  assert.equal(status, 2);
  assert.match(stderr, /^MNIST was not found/m);
  assert.doesNotMatch(stderr, /debugger|inspector/i);
});

describe('under nohup', { skip: lacks('nohup') || lacks('bash') }, () => {
  // bash tells its child by the variable _ what it starts.
  const NOHUP = ['bash', '-c', 'nohup "$0" "$@"'];

  it('a run continues after SIGHUP', async () => {
    const run = join(folder, 'nohup');
    const program = startLockstep([...TRAIN, '--out', run], {}, NOHUP);
    await program.said(/^Run directory/);
    program.signal('SIGHUP');
    await program.said(/^SIGHUP: ignored/);
    await assertContinues(program);
    assertSaved(run);
  });

  it('a run is saved and ends with --on-hangup stop', async () => {
    const run = join(folder, 'nohup-stop');
    const program = startLockstep([...TRAIN, '--on-hangup', 'stop', '--out', run], {}, NOHUP);
    await program.said(/^Run directory/);
    program.signal('SIGHUP');
    assert.equal((await program.ended).status, 129);
    assertSaved(run);
  });

  it('a command without checkpoints goes on', async (t) => {
    const { program, goOn } = await startEvaluation(t, NOHUP);
    program.signal('SIGHUP');
    program.signal('SIGUSR1');
    await program.said(/^SIGUSR1: /);
    goOn();
    assert.equal((await program.ended).status, 2);
  });
});

describe('a terminal that is closed', { skip }, () => {
  it('ends a run with a checkpoint', async () => {
    const run = join(folder, 'closed');
    const { exitCode } = await inTerminal([MAIN, ...TRAIN, '--json', '--out', run], {
      columns: 90,
      cues: [['step     100/', 'close']],
    });
    assert.equal(exitCode, 129);
    assertSaved(run);
  });

  it('does not end a run under nohup, whatever started it', { skip: lacks('nohup') }, async () => {
    const run = join(folder, 'stays');
    const log = join(folder, 'stays.log');
    // A shell that doesn't set the variable _, as dash, and is told by a file when the run has begun.
    const shell =
      'until grep -q "^Run directory" "$LOG"; do sleep 0.1; done 2>/dev/null && echo begun & nohup "$0" "$@" >"$LOG" 2>&1';
    await inTerminal([MAIN, ...TRAIN, '--out', run], {
      columns: 90,
      cues: [['begun', 'close']],
      env: { LOG: log, PATH: process.env.PATH },
      inside: ['sh', '-c', shell, process.execPath],
    });
    const { pid } = JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8'));
    const said = (text: string): boolean => readFileSync(log, 'utf8').includes(text);
    process.kill(pid, 'SIGUSR1');
    await until(() => said('SIGUSR1: a checkpoint'));
    assert.ok(said('SIGHUP: ignored'));
    process.kill(pid, 'SIGTERM');
    await until(() => manifestOf(run).state === 'stopped');
    assertSaved(run);
  });
});

it('a Ctrl-C that npm passes on too is one request', { skip: skip || lacks('npm') }, async () => {
  const run = join(folder, 'npm');
  const { output } = await inTerminal([...TRAIN.slice(1), '--out', run], {
    columns: 90,
    cues: [['step     100/', { type: '\x03' }]],
    cwd: ROOT,
    inside: ['npm', 'start', '--'],
  });
  assert.match(output, /Stopped after \d+ of/);
  assertSaved(run);
});
