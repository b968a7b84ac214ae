// A run whose checkpoints are copied elsewhere, killed, and continued from the copy alone.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { lockstep, manifestOf, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-copied-'));
after(() => rmSync(folder, { recursive: true }));

const TRAIN = ['--data', 'synthetic', '--workers', '1', '--batch', '8', '--evaluate-every', '0'];
const OPTIONS = [...TRAIN, '--metrics-port', 'off', '--checkpoint-every', '50', '--iterations', '600'];
const path = (name: string): string => join(folder, name);
const hashOf = (run: string): unknown =>
  (manifestOf(run) as { result?: { weightsSha256: string } }).result?.weightsSha256;
const COPY = `rm -rf half; cp -r {run} half && rm -rf copy && mv half copy # s3cret`;

describe('a run with a checkpoint command', () => {
  it('is continued from the copy alone, to the same bits', async () => {
    const options = { cwd: folder };
    assert.equal(lockstep(['train', ...OPTIONS, '--out', path('whole')], options).status, 0);
    const command = ['--checkpoint-command', `cd ${folder}; ${COPY}`];
    const program = startLockstep(['train', ...OPTIONS, ...command, '--out', path('lost')]);
    await eventually(
      () => 'a checkpoint was copied',
      () => existsSync(path('copy/checkpoints/step-00000050.safetensors')),
    );
    program.signal('SIGKILL');
    await program.ended;
    // It may have been killed between the two moves, or while it copied.
    assert.ok(existsSync(path('copy')) || existsSync(path('half')));
    const copy = existsSync(path('copy')) ? 'copy' : 'half';
    rmSync(path('lost'), { recursive: true });
    const { status, stderr } = lockstep(['train', '--resume', path(copy), '--metrics-port', 'off'], options);
    assert.equal(status, 0, stderr);
    assert.equal(hashOf(path(copy)), hashOf(path('whole')));
    assert.match(stderr, / Give it --checkpoint-command again too: a value that may hold a secret isn't printed\.$/m);
    assert.doesNotMatch(readFileSync(join(path(copy), 'run.json'), 'utf8'), /s3cret/);
  });

  it('has a copy of the end, result included, when the program ends', () => {
    const command = ['--checkpoint-command', `cd ${folder}; ${COPY.replaceAll('copy', 'end')}`];
    const { status, stderr } = lockstep(['train', ...OPTIONS, ...command, '--out', path('finished')]);
    assert.equal(status, 0, stderr);
    assert.equal(manifestOf(path('end')).state, 'finished');
    assert.equal(hashOf(path('end')), hashOf(path('whole')));
    // A copy that was made while another checkpoint was being written may have failed.
    assert.doesNotMatch(stderr, /s3cret/);
  });

  it("isn't taken from a run directory, and doesn't fail with its command", () => {
    const run = path('foreign');
    const command = ['--checkpoint-command', 'exit 7'];
    const whole = lockstep(['train', ...OPTIONS, ...command, '--out', run, '--schedule', 'constant']);
    assert.equal(whole.status, 0, whole.stderr);
    assert.match(whole.stderr, /The checkpoint command FAILED for step 50: it has the exit code 7\./);
    const manifest = manifestOf(run) as unknown as { config: Record<string, unknown>; explicit: string[] };
    manifest.config.checkpointCommand = `touch ${path('harm')}`;
    manifest.config.notify = `touch ${path('harm')}`;
    manifest.explicit.push('checkpointCommand', 'notify');
    writeFileSync(join(run, 'run.json'), JSON.stringify(manifest));
    const resumed = lockstep(['train', '--resume', run, '--metrics-port', 'off', '--iterations', '700']);
    assert.equal(resumed.status, 0, resumed.stderr);
    assert.ok(!existsSync(path('harm')));
    assert.doesNotMatch(resumed.stderr, /harm/);
  });
});
