// A disk that fails during a run. The full and the read-only one are file systems in memory that this test makes, for which it
// needs to be root on Linux.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readCheckpoint } from '#src/shared/checkpoint/checkpoint-file.js';
import { DATA, type Program, startLockstep, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-disk-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['--iterations', '4000000', '--batch', '16', '--checkpoint-every', '40', '--keep', '1'];

function start(run: string, ...more: readonly string[]): Program {
  const flags = [...FLAGS, '--evaluate-every', '0', '--metrics-port', 'off', '--out', run, ...more];
  return startLockstep(['train', ...flags, ...DATA]);
}

const FAILED = /^WAITING FOR THE DISK: .* tried again\.$/;
const AGAIN = /^The disk is written again: .*checkpoints, that of step \d+ included/;

async function checkpointsOf(run: string): Promise<number[]> {
  const names = readdirSync(join(run, 'checkpoints')).filter((name) => name.endsWith('.safetensors'));
  const all = await Promise.all(names.map((name) => readCheckpoint(join(run, 'checkpoints', name))));
  return all.map(({ step }) => step);
}

async function firstCheckpoint(run: string): Promise<void> {
  while (!readdirSync(join(run, 'checkpoints')).some((name) => name.endsWith('.safetensors'))) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Asserts that the run has recovered: it stops with all of its lines and its last checkpoint. */
async function assertWhole(program: Program, run: string): Promise<void> {
  program.signal('SIGTERM');
  const { status, stderr } = await program.ended;
  assert.equal(status, 143, stderr);
  const steps = stepsOf(run).map(({ step }) => step);
  assert.deepEqual(
    steps,
    steps.map((_, i) => i + 1),
  );
  assert.ok((await checkpointsOf(run)).includes(steps.length), `no checkpoint of step ${steps.length}`);
}

/** A file system in memory of a given size in MB, which is unmounted after the test. */
function mounted(name: string, megabytes: number): string {
  const path = join(folder, name);
  mkdirSync(path);
  mount('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path);
  after(() => spawnSync('umount', [path]));
  return path;
}

function mount(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

const skip = process.platform === 'linux' && process.getuid?.() === 0 ? false : 'needs root on Linux';

describe('a run that the disk keeps from beginning or continuing may work later: exit code 75', { skip }, () => {
  for (const [what, code, spoil] of [
    [
      'full',
      'ENOSPC',
      (disk: string) => assert.throws(() => writeFileSync(join(disk, 'filler'), Buffer.alloc(9 << 20))),
    ],
    ['read-only', 'EROFS', (disk: string) => mount('-o', 'remount,ro', disk)],
  ] as const) {
    it(`on a ${what} disk, whose run continues once that is over`, async () => {
      const disk = mounted(`begun-${what}`, 8);
      const [old, run] = [join(disk, 'old'), join(disk, 'new')];
      const train = (flags: readonly string[]) =>
        startLockstep(['train', '--batch', '16', '--metrics-port', 'off', ...flags, ...DATA]).ended;
      const { stderr } = await train(['--iterations', '2', '--schedule', 'constant', '--out', old]);
      assert.match(stderr, /^Done/m);
      spoil(disk);
      for (const flags of [
        ['--iterations', '2', '--out', run],
        ['--iterations', '2', '--out', join(run, 'below'), '--resume', 'auto'],
        ['--iterations', '4', '--resume', old],
      ]) {
        const refused = await train(flags);
        assert.match(refused.stderr, new RegExp(`${code}[^\n]*Check|${code}[^\n]*Name a folder`));
        assert.equal(refused.status, 75, refused.stderr);
      }
      if (code === 'EROFS') mount('-o', 'remount,rw', disk);
      else rmSync(join(disk, 'filler'));
      const resumed = await train(['--iterations', '4', '--resume', old]);
      assert.equal(resumed.status, 0, resumed.stderr);
    });
  }
});

describe('training continues, reports the failure, and saves again', () => {
  it('if the disk was full, which is said once for all files of the run', { skip }, async () => {
    const disk = mounted('full', 30);
    const run = join(disk, 'run');
    const program = start(run, '--tensorboard');
    await program.said(/^Run directory/);
    await firstCheckpoint(run);
    const filler = join(disk, 'filler');
    assert.throws(() => writeFileSync(filler, Buffer.alloc(31 << 20)), /ENOSPC/);
    await program.said(FAILED);
    assert.ok((await checkpointsOf(run)).length > 0, 'the checkpoint before was lost');
    rmSync(filler);
    await program.said(AGAIN);
    await assertWhole(program, run);
    const { stderr } = await program.ended;
    for (const once of [/^WAITING FOR THE DISK/gm, /^The disk is written again/gm, /could not be written/g]) {
      assert.equal(stderr.match(once)?.length, 1, stderr);
    }
  });

  it('if the directory was read-only', { skip }, async () => {
    const disk = mounted('read-only', 20);
    const run = join(disk, 'run');
    const program = start(run);
    await program.said(/^Run directory/);
    await firstCheckpoint(run);
    while (spawnSync('mount', ['-o', 'remount,ro', disk]).status !== 0);
    await program.said(FAILED);
    assert.ok((await checkpointsOf(run)).length > 0, 'the checkpoint before was lost');
    mount('-o', 'remount,rw', disk);
    await program.said(AGAIN);
    await assertWhole(program, run);
  });

  it('if the directory disappeared', async () => {
    const run = join(folder, 'vanishing');
    const program = start(run);
    await program.said(/^Run directory/);
    await firstCheckpoint(run);
    renameSync(run, `${run}-away`);
    await program.said(FAILED);
    renameSync(`${run}-away`, run);
    await program.said(AGAIN);
    await assertWhole(program, run);
  });

  it('until it is stopped, if the directory stays missing: then it fails and reports what is lost', async () => {
    const run = join(folder, 'gone');
    const program = start(run);
    await program.said(/^Run directory/);
    await firstCheckpoint(run);
    renameSync(run, `${run}-for-good`);
    await program.said(FAILED);
    program.signal('SIGTERM');
    const { status, stderr } = await program.ended;
    assert.equal(status, 1);
    assert.match(stderr, /could not be written: ENOENT/);
    assert.doesNotMatch(stderr, /^\s+at /m);
  });
});
