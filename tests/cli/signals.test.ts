import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { madeFile } from '../support/made-images.ts';
import { lockstep, manifestOf, type Program, startLockstep } from '../support/program.ts';
import { startReceiver } from '../support/receiver.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-signals-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = [
  '--data',
  madeFile(folder, 512, 64),
  '--iterations',
  '1000000',
  '--workers',
  '1',
  '--batch',
  '8',
  '--evaluate-every',
];
const TRAIN = ['train', ...FLAGS, '0', '--checkpoint-every', '0', '--metrics-port', 'off'];

async function started(out: string, flags: readonly string[] = []): Promise<Program> {
  const program = startLockstep([...TRAIN, ...flags, '--out', out]);
  await program.said(/^Run directory/);
  return program;
}

function assertSaved(out: string): void {
  const { state, attempts } = manifestOf(out) as unknown as { state: string; attempts: { steps: number }[] };
  assert.equal(state, 'stopped');
  const last = `step-${String(attempts[0]?.steps).padStart(8, '0')}.safetensors`;
  assert.ok(readdirSync(join(out, 'checkpoints')).includes(last), `${last} is missing`);
}

for (const [signals, code] of [
  [['SIGTERM', 'SIGTERM', 'SIGTERM'], 143],
  [['SIGINT', 'SIGTERM'], 130],
  [['SIGHUP', 'SIGTERM', 'SIGHUP'], 129],
] as const) {
  it(`${signals.join(' and ')} at once are one request: a checkpoint is written, and the exit code is ${code}`, async (t) => {
    const answer = (response: ServerResponse): unknown => response.writeHead(204).end();
    const held: ServerResponse[] = [];
    let isHeld = true;
    const { url } = await startReceiver(t, (_, response) => (isHeld ? held.push(response) : answer(response)));
    const out = join(folder, signals.join('-'));
    const program = await started(out, ['--remote-write', url]);
    // From now on the run has something to send at its end, which waits for the answer: a process at its end has no handlers any more.
    await program.said(/^step +100\//);
    program.signal(signals[0]);
    await program.said(new RegExp(`^${signals[0]}: finishing`));
    for (const name of signals.slice(1)) program.signal(name);
    isHeld = false;
    held.forEach(answer);
    const { status, stderr } = await program.ended;
    assert.equal(status, code, stderr);
    assert.equal(stderr.match(/: finishing/g)?.length, 1);
    assertSaved(out);
  });
}

it('SIGUSR1 takes a checkpoint, the run continues, and no debugger opens', async () => {
  const out = join(folder, 'asked');
  const program = await started(out);
  program.signal('SIGUSR1');
  await program.said(/^SIGUSR1: a checkpoint/);
  while (readdirSync(join(out, 'checkpoints')).every((name) => !/^step-\d+\.safetensors$/.test(name))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  program.signal('SIGTERM');
  const { status, stderr } = await program.ended;
  assert.equal(status, 143, stderr);
  assert.doesNotMatch(stderr, /debugger|inspector/i);
  assertSaved(out);
});

it('SIGHUP is ignored with --on-hangup ignore', async () => {
  const out = join(folder, 'ignored');
  const program = await started(out, ['--on-hangup', 'ignore']);
  program.signal('SIGHUP');
  await program.said(/^SIGHUP: ignored/);
  program.signal('SIGTERM');
  assert.equal((await program.ended).status, 143);
  assertSaved(out);
});

it('--max-time ends a run with a checkpoint, and its command continues it', async () => {
  const out = join(folder, 'limited');
  const program = startLockstep([...TRAIN, '--max-time', '8s', '--max-time-exit-code', '99', '--out', out]);
  const { status, stderr } = await program.ended;
  assert.equal(status, 99, stderr);
  assert.match(stderr, /^The time of --max-time is over: finishing this step, then saving\.$/m);
  assert.match(stderr, /--max-time 8s/);
  assertSaved(out);
});

it('a directory that a living run holds is refused with an exit code of its own', async () => {
  const out = join(folder, 'held');
  const program = await started(out);
  for (const flags of [
    ['--out', out],
    ['--resume', out],
  ]) {
    const { status, stderr } = lockstep([...TRAIN, ...flags]);
    assert.equal(status, 75, stderr);
    assert.match(stderr, new RegExp(`rocess ${program.pid}`));
  }
  program.signal('SIGTERM');
  assert.equal((await program.ended).status, 143);
});
