import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { readCheckpoint } from '#src/shared/checkpoint/checkpoint-file.js';
import { DATA, lockstep, manifestOf, startLockstep, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-resume-'));
after(() => rmSync(folder, { recursive: true }));

const STEPS = ['--batch', '16', '--shard-size', '4', '--checkpoint-every', '20', '--evaluate-every', '0'];
const QUIET = ['--metrics-port', 'off', '--json'];
const FLAGS = ['train', ...STEPS, ...QUIET, ...DATA];

interface Result {
  readonly steps: number;
  readonly weightsSha256: string;
  readonly chain: string;
}

/** Trains a new or resumed run to its end. */
function trained(args: readonly string[]): Result {
  const { status, stdout, stderr } = lockstep(args);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

const whole = join(folder, 'whole');
const result = trained([...FLAGS, '--iterations', '130', '--out', whole]);
let copies = 0;

/** A copy of the complete run as if it had been killed after a step: later files are removed, but not later lines of the log. */
function killedAfter(step: number): string {
  const run = join(folder, `copy-${copies++}`);
  cpSync(whole, run, { recursive: true });
  for (const name of readdirSync(join(run, 'checkpoints'))) {
    if (Number.parseInt(name.slice(5), 10) > step) rmSync(join(run, 'checkpoints', name));
  }
  const { result: _, ended: __, attempts, ...manifest } = manifestOf(run);
  const [{ ended: ___, steps: ____, ...attempt }] = attempts as [Record<string, unknown>];
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, state: 'running', attempts: [attempt] }));
  return run;
}

function assertSame(run: string, outcome: Result): void {
  assert.deepEqual([outcome.weightsSha256, outcome.chain], [result.weightsSha256, result.chain]);
  assert.deepEqual(stepsOf(run), stepsOf(whole));
  assert.equal(manifestOf(run).chain, result.chain);
}

function assertRefused(args: readonly string[], ...patterns: readonly RegExp[]): void {
  assertEnds(2, args, ...patterns);
}

function assertEnds(code: number, args: readonly string[], ...patterns: readonly RegExp[]): void {
  const { status, stdout, stderr } = lockstep([...args, ...QUIET]);
  for (const pattern of patterns) assert.match(stderr, pattern);
  assert.doesNotMatch(stderr, /^\s+at /m);
  assert.deepEqual([status, stdout], [code, '']);
}

describe('--resume', () => {
  it('continues from the newest checkpoint with the same bits, cuts the log, and notes the attempt', () => {
    const run = killedAfter(60);
    assertSame(run, trained(['train', '--resume', run, '--workers', '3', ...QUIET]));
    const { state, attempts } = manifestOf(run);
    assert.equal(state, 'finished');
    const [first, second] = attempts as Record<string, unknown>[];
    assert.deepEqual([first?.from, second?.from, second?.steps, second?.workers], [0, 60, 130, 3]);
  });

  it('auto: begins the run in --out, resumes it by the same command, and prints its result when it is finished', () => {
    const command = [...FLAGS, '--iterations', '130', '--resume', 'auto', '--out'];
    const begun = join(folder, 'auto');
    assertSame(begun, trained([...command, begun]));
    assertSame(begun, trained([...command, begun]));
    assert.equal((manifestOf(begun).attempts as unknown[]).length, 1);
    const killed = killedAfter(60);
    assertSame(killed, trained([...command, killed]));
    assert.equal((manifestOf(killed).attempts as unknown[]).length, 2);
    assertRefused([...command, killedAfter(60), '--seed', '2'], /--seed: the run has 1, but this is 2/);
  });

  it('auto: requires --out', () => assertRefused(['train', '--resume', 'auto'], /Name its directory by --out/));

  it('starts at step 0 if no checkpoint was written', () => {
    const run = killedAfter(0);
    assertSame(run, trained(['train', '--resume', run, ...QUIET]));
  });

  it('refuses if all checkpoints are gone: it would start again from step 0 without notice', () => {
    const run = killedAfter(0);
    const { attempts, ...manifest } = manifestOf(run);
    const [attempt] = attempts as readonly object[];
    writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, attempts: [{ ...attempt, steps: 60 }] }));
    assertRefused(['train', '--resume', run], /No intact checkpoint is left/);
  });

  it('prints the summary of a run that is done, and changes nothing', () => {
    const before = readFileSync(join(whole, 'run.json'), 'utf8');
    assert.deepEqual(trained(['train', '--resume', whole, ...QUIET]), result);
    assert.equal(readFileSync(join(whole, 'run.json'), 'utf8'), before);
  });

  it('latest takes the newest run below runs/', () => {
    const home = mkdtempSync(join(folder, 'home-'));
    cpSync(killedAfter(40), join(home, 'runs', 'older'), { recursive: true });
    cpSync(killedAfter(60), join(home, 'runs', 'newer'), { recursive: true });
    writeFileSync(join(home, 'runs', 'newer', 'run.json'), readFileSync(join(home, 'runs', 'newer', 'run.json')));
    const { status, stdout } = lockstep(['train', '--resume', 'latest', ...QUIET], { cwd: home });
    assert.equal(status, 0);
    assert.equal(JSON.parse(stdout).run, join(home, 'runs', 'newer'));
    assertRefused(['train', '--resume', 'nowhere'], /There is no run directory .*nowhere/);
  });

  it('lets the constant schedule have more iterations, to the bits of a run that had them from the start', () => {
    const [short, long] = [join(folder, 'short'), join(folder, 'long')];
    const flags = [...FLAGS, '--schedule', 'constant', '--warmup', '10'];
    trained([...flags, '--iterations', '50', '--out', short]);
    const expected = trained([...flags, '--iterations', '90', '--out', long]);
    const outcome = trained(['train', '--resume', short, '--iterations', '90', ...QUIET]);
    assert.deepEqual([outcome.weightsSha256, outcome.chain], [expected.weightsSha256, expected.chain]);
    assertRefused(['train', '--resume', short, '--iterations', '80'], /--iterations: the run has 90, but this is 80/);
  });

  it('refuses what would change the bits, lists it, and offers --init', () => {
    const run = killedAfter(60);
    assertRefused(
      ['train', '--resume', run, '--seed', '2', '--iterations', '200', '--hash-every', '7'],
      /its bits would change/,
      /^ {2}--seed: the run has 1, but this is 2$/m,
      /^ {2}--iterations: the run has 130, but this is 200$/m,
      /^ {2}--hash-every: the run has 100, but this is 7$/m,
      /main\.js train --init \S*copy-\d+ …/,
    );
    assertRefused(['train', '--resume', run, '--preset', 'quick'], /--preset: a resumed run has its options already/);
    assertRefused(['train', '--resume', run, '--out', join(folder, 'other')], /--out: a resumed run stays/);
    const manifest = manifestOf(run);
    const digests = { dataset: manifest.digests.dataset, numerics: 'f'.repeat(64) };
    writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, digests }));
    assertRefused(
      ['train', '--resume', run],
      /numerics: the run has ffffffffffff, but this build of Lockstep/,
      /--init/,
    );
    const other = { ...manifest.digests, dataset: 'e'.repeat(64) };
    writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, digests: other }));
    assertRefused(['train', '--resume', run], /data: the run has the set eeeeeeeeeeee, but this is/, /--init/);
    writeFileSync(join(run, 'run.json'), '{"name": 3}');
    assertRefused(['train', '--resume', run], /run\.json can't be used by this version/);
    rmSync(join(run, 'run.json'));
    assertRefused(['train', '--resume', run], /has no run\.json/);
  });

  it('refuses a run that another process is training', async () => {
    const run = join(folder, 'busy');
    const first = startLockstep([...FLAGS, '--iterations', '1000000', '--out', run]);
    await first.said(/^Run directory/);
    assertEnds(75, ['train', '--resume', run], new RegExp(`process ${first.pid}`), /run\.lock/);
    assertEnds(75, [...FLAGS.slice(0, -2), '--out', run], new RegExp(`Process ${first.pid}`), /--resume/);
    first.signal('SIGKILL');
    await first.ended;
  });
});

describe('a damaged checkpoint', () => {
  const damages: readonly (readonly [string, (file: string) => void])[] = [
    ['truncated', (file) => truncateSync(file, 100_000)],
    ['empty', (file) => truncateSync(file, 0)],
    ['garbage', (file) => writeFileSync(file, 'not a checkpoint at all')],
    ...[0, 9, 300, 400_000].map((at): readonly [string, (file: string) => void] => [
      `with a flipped bit in byte ${at}`,
      (file) => {
        const bytes = readFileSync(file);
        bytes[at] = (bytes[at] as number) ^ 1;
        writeFileSync(file, bytes);
      },
    ]),
  ];
  const run = killedAfter(60);

  for (const [name, damage] of damages) {
    it(`that is ${name} is named, and the one before is used`, () => {
      const copy = join(folder, `damaged-${copies++}`);
      cpSync(run, copy, { recursive: true });
      damage(join(copy, 'checkpoints', 'step-00000060.safetensors'));
      const { status, stdout, stderr } = lockstep(['train', '--resume', copy, ...QUIET]);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /PASSED OVER .*step-00000060\.safetensors/);
      assert.match(stderr, /steps 41 to 130/);
      assertSame(copy, JSON.parse(stdout));
    });
  }

  it('is set aside, and takes no place among those to keep', () => {
    const copy = killedAfter(60);
    writeFileSync(join(copy, 'checkpoints', 'step-00000060.safetensors'), 'garbage');
    const flags = ['--checkpoint-every', '7', '--keep', '1', ...QUIET];
    assert.equal(trained(['train', '--resume', copy, ...flags]).weightsSha256, result.weightsSha256);
    const left = readdirSync(join(copy, 'checkpoints')).sort();
    assert.deepEqual(
      left,
      ['00000060.safetensors.damaged', '00000100.safetensors', '00000126.safetensors', '00000130.safetensors'].map(
        (name) => `step-${name}`,
      ),
    );
  });

  it('is an error if there is no other', () => {
    const copy = killedAfter(20);
    writeFileSync(join(copy, 'checkpoints', 'step-00000020.safetensors'), '');
    assertRefused(['train', '--resume', copy], /No intact checkpoint is left in .*backup/s);
  });
});

describe('--init', () => {
  const checkpoint = join(whole, 'checkpoints', 'step-00000040.safetensors');

  it('starts a new run from the weights of a checkpoint, which can be resumed without it', async () => {
    const run = join(folder, 'from-weights');
    const outcome = trained([...FLAGS, '--iterations', '30', '--seed', '5', '--init', checkpoint, '--out', run]);
    const [own, origin] = [join(run, 'checkpoints', 'step-00000000.safetensors'), checkpoint];
    const [first, weights] = await Promise.all([readCheckpoint(own), readCheckpoint(origin)]);
    assert.deepEqual(first.tensors.get('c3.weight')?.data, weights.tensors.get('c3.weight')?.data);
    assert.deepEqual(new Set(first.tensors.get('optimizer.m.c3.weight')?.data), new Set([0]));
    assert.equal(manifestOf(run).digests.init, stepsOf(whole)[39]?.weightsSha256);
    const { result: _, ...manifest } = manifestOf(run);
    const moved = join(folder, 'moved');
    cpSync(run, moved, { recursive: true });
    rmSync(join(moved, 'checkpoints', 'step-00000020.safetensors'));
    rmSync(join(moved, 'checkpoints', 'step-00000030.safetensors'));
    writeFileSync(join(moved, 'run.json'), JSON.stringify(manifest));
    assert.equal(trained(['train', '--resume', moved, ...QUIET]).weightsSha256, outcome.weightsSha256);
    assert.equal(lockstep(['verify', moved, '--all', ...DATA]).status, 0);
    rmSync(join(moved, 'checkpoints', 'step-00000000.safetensors'));
    const { status, stdout } = lockstep(['verify', moved, '--all', ...DATA]);
    assert.equal(status, 1);
    assert.match(stdout, /step-00000000\.safetensors, which the run began with by --init, is missing/);
    for (const name of readdirSync(join(moved, 'checkpoints'))) rmSync(join(moved, 'checkpoints', name));
    writeFileSync(join(moved, 'run.json'), JSON.stringify(manifest));
    assertRefused(['train', '--resume', moved], /No intact checkpoint is left/);
  });

  it('takes the last checkpoint of a run, and refuses what is no checkpoint or of another model', () => {
    const run = join(folder, 'from-run');
    trained([...FLAGS, '--iterations', '1', '--init', whole, '--out', run]);
    assert.equal(manifestOf(run).digests.init, result.weightsSha256);
    const flags = [...FLAGS.slice(0, -DATA.length), ...DATA, '--out', join(folder, 'refused')];
    assertRefused([...flags, '--init', join(folder, 'none')], /none doesn't exist/);
    assertRefused([...flags, '--init', whole, '--head', 'rbf'], /has the head softmax, but this run has rbf/);
    assert.ok(!readdirSync(folder).includes('refused'), 'a folder was left');
  });
});

describe('a signal', () => {
  const flags = [...FLAGS, '--iterations', '40', '--batch', '2048'];
  const undisturbed = join(folder, 'undisturbed');
  const expected = trained([...flags, '--out', undisturbed]);

  for (const [name, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`${name} saves, prints the command to resume and exits with ${code}`, async () => {
      const run = join(folder, name);
      const started = startLockstep([...flags, '--out', run]);
      await started.said(/^Run directory/);
      started.signal(name);
      const { status, stdout, stderr } = await started.ended;
      assert.equal(status, code, stderr);
      const { steps } = JSON.parse(stdout);
      assert.ok(steps < 40, 'it ended before the signal');
      assert.match(stderr, new RegExp(`^To resume: \\S+ \\S+main\\.js train --resume \\S*${name}( .*)?$`, 'm'));
      const saved = readdirSync(join(run, 'checkpoints')).sort().at(-1);
      if (steps > 0) assert.equal(saved, `step-${String(steps).padStart(8, '0')}.safetensors`);
      assert.equal(manifestOf(run).state, 'stopped');
      assert.ok(!readdirSync(run).includes('run.lock'));
      assert.deepEqual(stepsOf(run), stepsOf(undisturbed).slice(0, steps));
      const outcome = trained(['train', '--resume', run, ...QUIET]);
      assert.deepEqual([outcome.weightsSha256, outcome.chain], [expected.weightsSha256, expected.chain]);
      assert.deepEqual(stepsOf(run), stepsOf(undisturbed));
    });
  }

  it('SIGUSR2 takes a checkpoint, and the run continues', async () => {
    const run = join(folder, 'asked');
    const started = startLockstep([...FLAGS, '--iterations', '1000000', '--checkpoint-every', '0', '--out', run]);
    await started.said(/^Run directory/);
    started.signal('SIGUSR2');
    await started.said(/^SIGUSR2/);
    while (readdirSync(join(run, 'checkpoints')).every((name) => !/^step-\d+\.safetensors$/.test(name))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    started.signal('SIGTERM');
    assert.equal((await started.ended).status, 143);
  });
});

it('a loss that is not finite ends the run with the last good step saved, and names the step', () => {
  const run = join(folder, 'diverged');
  const rate = ['--optimizer', 'sgd', '--learning-rate', '100000', '--warmup', '20', '--iterations', '100'];
  const { status, stderr } = lockstep([...FLAGS, ...rate, '--out', run]);
  assert.equal(status, 3);
  const step = Number(/^Step (\d+): expected a finite loss/m.exec(stderr)?.[1]);
  assert.ok(step > 1, stderr);
  assert.equal(stepsOf(run).length, step - 1);
  const last = `step-${String(step - 1).padStart(8, '0')}.safetensors`;
  assert.ok(readdirSync(join(run, 'checkpoints')).includes(last));
  const { state, failure } = manifestOf(run);
  assert.equal(state, 'failed');
  assert.match(String(failure), /expected a finite loss/);
});
