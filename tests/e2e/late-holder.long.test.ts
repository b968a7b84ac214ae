// A run that is taken over while its process is suspended, and that process coming back.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { madeFile } from '../support/made-images.ts';
import { lockstep, manifestOf, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-late-'));
after(() => rmSync(folder, { recursive: true }));

const DATA = ['--data', madeFile(folder, 512, 64)];
const ITERATIONS = 2000;
const TRAIN = [...DATA, '--iterations', String(ITERATIONS), '--workers', '1', '--batch', '8', '--evaluate-every', '0'];
const FLAGS = [...TRAIN, '--checkpoint-every', '100', '--metrics-port', 'off'];

/** As if the process that holds the lock were another machine's. */
function moveElsewhere(out: string): void {
  const lock = join(out, 'run.lock');
  writeFileSync(lock, `${JSON.stringify({ ...JSON.parse(readFileSync(lock, 'utf8')), host: 'elsewhere' })}\n`);
}

for (const [name, flags, before, now] of [
  ['requeued by Slurm', [], { SLURM_JOB_ID: '7' }, { SLURM_JOB_ID: '7', SLURM_RESTART_COUNT: '1' }],
  ['replaced by its engine', ['--lock-id', 'train'], {}, {}],
] as const) {
  it(`a run that is ${name} is taken over at once, and its old process ends without a trace`, async () => {
    const whole = join(folder, `whole-${flags.length}`);
    assert.equal(lockstep(['train', ...FLAGS, '--out', whole]).status, 0);

    const out = join(folder, `out-${flags.length}`);
    const command = ['train', ...FLAGS, ...flags, '--resume', 'auto', '--out', out];
    const late = startLockstep(command, before);
    await late.said(/^step +100\//);
    late.signal('SIGSTOP');
    moveElsewhere(out);
    // Without a proof, it may be alive.
    const refused = lockstep(['train', ...FLAGS, '--resume', 'auto', '--out', out]);
    assert.equal(refused.status, 75, refused.stderr);
    assert.match(refused.stderr, /host elsewhere/);

    const next = startLockstep(command, now);
    await next.said(/^Took over/);
    await next.said(/^step +\d+\//);
    late.signal('SIGCONT');
    const { status, stderr } = await late.ended;
    assert.equal(status, 1, stderr);
    assert.match(stderr, /no longer holds/);
    assert.doesNotMatch(stderr, /continues without/);
    const finished = await next.ended;
    assert.equal(finished.status, 0, finished.stderr);

    const hashOf = (run: string): unknown =>
      (manifestOf(run) as { result?: { weightsSha256: string } }).result?.weightsSha256;
    assert.equal(hashOf(out), hashOf(whole));
    const verified = lockstep(['verify', out, ...DATA]);
    assert.equal(verified.status, 0, verified.stderr);
    const steps = readFileSync(join(out, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
    assert.deepEqual(
      steps.map((line) => JSON.parse(line).step),
      Array.from({ length: ITERATIONS }, (_, i) => i + 1),
    );
  });
}
