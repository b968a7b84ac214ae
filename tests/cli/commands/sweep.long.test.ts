// A sweep of real processes: killed, continued and stopped, each run has the bits that it has by itself.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { madeFile } from '../../support/made-images.ts';
import { lockstep, manifestOf, startLockstep, stepsOf } from '../../support/program.ts';

const SIGTERMED = 143;
const NAMES = ['seed-1_optimizer-sgd', 'seed-1_optimizer-adam', 'seed-2_optimizer-sgd', 'seed-2_optimizer-adam'];

describe('lockstep sweep', () => {
  let folder = '';
  let train: string[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-sweep-'));
    const data = madeFile(folder, 1024, 128);
    train = [
      '--data',
      data,
      '--iterations',
      '150',
      '--checkpoint-every',
      '10',
      '--metrics-port',
      'off',
      '--workers',
      '1',
    ];
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  function sweepInto(name: string, ...more: string[]): string[] {
    return ['sweep', '--seed', '1..2', '--optimizer', 'sgd,adam', ...train, '--out', join(folder, name), ...more];
  }

  function linesOf(path: string): number {
    const log = join(path, 'steps.jsonl');
    return existsSync(log) ? readFileSync(log, 'utf8').split('\n').length : 0;
  }

  it('continues after SIGKILL and SIGTERM, and compares the runs', { timeout: 180_000 }, async () => {
    const out = join(folder, 'disturbed');
    const last = join(out, NAMES.at(-1) as string);
    const killed = startLockstep(sweepInto('disturbed'));
    await eventually(
      () => 'the first run has steps',
      () => linesOf(join(out, NAMES[0] as string)) > 10,
    );
    killed.signal('SIGKILL');
    await killed.ended;

    // The run that it had begun may live on, which the next sweep waits for.
    const stopped = startLockstep(sweepInto('disturbed'));
    await eventually(
      () => 'the last run has steps',
      () => linesOf(last) > 10,
    );
    stopped.signal('SIGTERM');
    assert.equal((await stopped.ended).status, SIGTERMED);
    assert.equal(manifestOf(last).state, 'stopped');

    const { status, stdout, stderr } = lockstep(sweepInto('disturbed', '--json'));
    assert.equal(status, 0, stderr);
    const { runs, groups, report } = JSON.parse(stdout);
    assert.deepEqual(
      runs.map(({ name, exitCode, testAccuracy }: Record<string, unknown>) => [name, exitCode, typeof testAccuracy]),
      NAMES.map((name) => [name, 0, 'number']),
    );
    assert.deepEqual(groups.map(({ values }: { values: { optimizer: string } }) => values.optimizer).sort(), [
      'adam',
      'sgd',
    ]);
    assert.ok(groups[0].mean >= groups[1].mean && groups[0].count === 2 && groups[0].deviation >= 0);
    assert.match(readFileSync(report, 'utf8'), /<!doctype html>/i);
    const single = join(folder, 'single');
    const alone = lockstep(['train', '--seed', '2', '--optimizer', 'adam', ...train, '--out', single]);
    assert.equal(alone.status, 0, alone.stderr);
    assert.deepEqual(stepsOf(last), stepsOf(single));
  });

  it('ends with 1 if a run diverges, after the others', { timeout: 120_000 }, () => {
    const out = join(folder, 'diverging');
    const flags = ['--learning-rate', '0.01,1000000', '--optimizer', 'sgd', ...train, '--jobs', '2', '--out', out];
    const { status, stdout, stderr } = lockstep(['sweep', ...flags]);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /learning-rate-1000000 diverged: Step \d+: expected a finite loss/);
    assert.match(stderr, /^1 of 2 runs are not done: learning-rate-1000000\.$/m);
    assert.match(stdout, /^learning-rate +runs +test accuracy.*\n0\.01 +1 .*learning-rate-0\.01\n$/);
    assert.ok(readdirSync(out).includes('report.html'));
  });

  it('takes what follows -- for all runs, whose data the report is of', { timeout: 120_000 }, () => {
    const flags = ['--data', 'synthetic', '--iterations', '5', '--metrics-port', 'off'];
    const sweep = ['sweep', '--seed', '1..2', '--out', join(folder, 'dashes'), '--json', '--', ...flags];
    // Where MNIST would be looked for, in the place of the synthetic digits.
    const { status, stdout, stderr } = lockstep(sweep, { more: { MNIST_DIR: join(folder, 'nowhere') } });
    assert.equal(status, 0, stderr);
    const { runs, report } = JSON.parse(stdout);
    assert.deepEqual(
      runs.map(({ name }: { name: string }) => name),
      ['seed-1', 'seed-2'],
    );
    assert.ok(existsSync(report), stderr);
  });

  it('begins no run if a combination is wrong', () => {
    const out = join(folder, 'wrong');
    const refusedAs = (message: RegExp, ...flags: readonly string[]): void => {
      const { status, stderr } = lockstep(['sweep', ...flags]);
      assert.deepEqual([status, existsSync(out)], [2, false], stderr);
      assert.match(stderr, message);
    };
    refusedAs(/--batch: expected a multiple/, '--batch', '128,7', ...train, '--out', out);
    refusedAs(/nowhere\.json/, '--model', `mlp,${join(folder, 'nowhere.json')}`, ...train, '--out', out);
    const [, set, ...others] = train as [string, string, ...string[]];
    const gone = join(folder, 'gone');
    refusedAs(
      /--data, .*gone, doesn't exist/,
      '--data',
      set,
      '--data',
      gone,
      '--seed',
      '1..2',
      ...others,
      '--out',
      out,
    );
    // Also if one of the runs is there.
    const begun = join(folder, 'begun');
    assert.equal(lockstep(['train', ...train, '--seed', '2', '--out', join(begun, 'seed-2')]).status, 0);
    refusedAs(/--data, .*gone, doesn't exist/, '--data', gone, '--seed', '1,2', ...others, '--out', begun);
    const small = join(folder, 'small.json');
    const layers = [{ kind: 'dense', units: 10 }];
    writeFileSync(
      small,
      JSON.stringify({ name: 'small', input: { maps: 3, height: 8, width: 8 }, layers, head: 'softmax' }),
    );
    refusedAs(/expects samples of 3@8x8/, '--model', `mlp,${small}`, ...train, '--out', out);
    const [, data] = train as [string, string];
    refusedAs(/--out: the folder of .* can't be made/, '--seed', '1..2', ...train, '--out', data);
  });
});
