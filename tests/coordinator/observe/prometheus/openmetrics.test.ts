import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { attemptOf, manifestJson, manifestOf } from '#src/coordinator/run/manifest.js';
import { stepLine } from '#src/coordinator/run/step-lines.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { lockstep } from '../../../support/program.ts';
import { stepRecord } from '../../../support/step-record.ts';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lockstep-openmetrics-')));
after(() => rmSync(folder, { recursive: true }));

const START = 1_764_000_000_000;
const main = fileURLToPath(new URL('../../../../cli/main.js', import.meta.url));
const manifest = await manifestOf({
  ...resolveTrainConfig({ flags: { iterations: '600' }, env: {} }),
  name: 'a "quoted" \\ name',
  digests: { dataset: 'd', numerics: 'n' },
  dataset: 'mnist',
  from: 0,
  started: new Date(START),
  metricsUrl: undefined,
});

function line(step: number, rest: Partial<StepRecord> = {}): string {
  const timings = { at: START + 7 * step, total: 0.25 };
  return stepLine(stepRecord(step, { loss: 1e-7 * step, timings, ...rest }));
}

/** A run with these lines, and attempts that began after so many steps. */
function makeRun(lines: readonly string[], from: readonly number[] = [0]): string {
  const run = mkdtempSync(join(folder, 'run-'));
  const [attempt = assert.fail()] = manifest.attempts;
  const attempts = from.map((steps) => ({ ...attempt, from: steps }));
  writeFileSync(join(run, 'run.json'), JSON.stringify(manifestJson({ ...manifest, attempts })));
  writeFileSync(join(run, 'steps.jsonl'), lines.join(''));
  return run;
}

function refused(args: readonly string[], pattern: RegExp): void {
  const { status, stdout, stderr } = lockstep(['metrics', ...args]);
  assert.deepEqual([status, stdout], [2, ''], stderr);
  assert.match(stderr, pattern);
}

describe('lockstep metrics --openmetrics', () => {
  it('prints each family with its samples, in seconds with milliseconds, by attempt', () => {
    const run = makeRun(
      [line(1), line(2, { testAccuracy: 0.75, testLoss: Number.POSITIVE_INFINITY }), line(3)],
      [0, 2],
    );
    const { status, stdout, stderr } = lockstep(['metrics', run, '--openmetrics']);
    assert.deepEqual([status, stderr], [0, '']);
    const labels = (attempt: number) => `{run="a \\"quoted\\" \\\\ name",attempt="${attempt}"}`;
    assert.ok(stdout.endsWith('\n# EOF\n'));
    assert.ok(
      stdout.includes(
        `lockstep_train_loss${labels(1)} 1e-7 1764000000.007\n` +
          `lockstep_train_loss${labels(1)} 2e-7 1764000000.014\n` +
          `lockstep_train_loss${labels(2)} 3e-7 1764000000.021\n# TYPE lockstep_train_accuracy_ratio gauge\n`,
      ),
      stdout,
    );
    assert.ok(stdout.includes(`\nlockstep_test_accuracy_ratio${labels(1)} 0.75 1764000000.014\n`));
    assert.ok(stdout.includes(`\nlockstep_test_loss${labels(1)} NaN 1764000000.014\n`));
    assert.match(stdout, /^# UNIT lockstep_last_step_duration_seconds seconds$/m);
  });

  it('prints of the steps of one millisecond the first', () => {
    const shared = [1, 1, 2, 2, 2].map((at, i) => line(i + 1, { timings: { at: START + at, total: 0.0003 } }));
    const { status, stdout, stderr } = lockstep(['metrics', makeRun(shared), '--openmetrics']);
    assert.deepEqual([status, stderr], [0, '']);
    const steps = stdout.split('\n').filter((text) => text.startsWith('lockstep_step{'));
    assert.deepEqual(
      steps.map((text) => text.split(' ').slice(-2)),
      [
        ['1', '1764000000.001'],
        ['3', '1764000000.002'],
      ],
    );
  });

  it('tells runs of one name apart by their ids', () => {
    const run = makeRun([line(1)]);
    writeFileSync(join(run, 'run.json'), JSON.stringify(manifestJson({ ...manifest, id: '0a1b2c3d4e5f6071' })));
    const { stdout } = lockstep(['metrics', run, '--openmetrics']);
    assert.match(stdout, /^lockstep_train_loss\{run=".*name",id="0a1b2c3d4e5f6071",attempt="1"\} /m);
  });

  it('leaves out series without a sample, and all of an empty run but the end', () => {
    assert.doesNotMatch(lockstep(['metrics', makeRun([line(1)]), '--openmetrics']).stdout, /test/);
    assert.equal(lockstep(['metrics', makeRun([]), '--openmetrics']).stdout, '# EOF\n');
  });

  it('takes the newest run, and writes a file, all of it or none', () => {
    const home = mkdtempSync(join(folder, 'home-'));
    mkdirSync(join(home, 'runs', 'first'), { recursive: true });
    const from = makeRun([line(1)]);
    for (const name of ['run.json', 'steps.jsonl']) {
      writeFileSync(join(home, 'runs', 'first', name), readFileSync(join(from, name)));
    }
    const { status, stdout, stderr } = lockstep(['metrics', '--openmetrics', '--out', 'first.om'], { cwd: home });
    assert.deepEqual([status, stdout, stderr], [0, '', 'Wrote first.om.\n']);
    assert.equal(readFileSync(join(home, 'first.om'), 'utf8'), lockstep(['metrics', from, '--openmetrics']).stdout);
    refused(['--openmetrics', makeRun([line(1), '{}\n']), '--out', join(home, 'second.om')], /line 2: expected a step/);
    refused([from, '--openmetrics', '--out', join(home, 'none', 'x')], /^--out .*can't be written: ENOENT/);
    refused([from, '--openmetrics', '--out', '/dev/null'], /^--out .*expected a new or existing file/);
    assert.deepEqual(readdirSync(home).sort(), ['first.om', 'runs']);
  });

  it('refuses steps of an older version, which have no time, and names the first', () => {
    const old = { timings: { total: 0.25 } };
    refused([makeRun([line(1, old)]), '--openmetrics'], /step 1 has no timings\.at, since an older version/);
    refused([makeRun([line(1), line(2, old)]), '--openmetrics'], /step 2 has no timings\.at/);
  });

  it('refuses to guess a format, and what is no run', () => {
    refused([makeRun([line(1)])], /Add --openmetrics/);
    refused([join(folder, 'nowhere'), '--openmetrics'], /There is no run directory/);
  });

  it('is no failure where its reader has seen enough', async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => line(i + 1));
    const args = [main, 'metrics', makeRun(lines), '--openmetrics'];
    const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = text(child.stderr);
    const [begin] = await once(child.stdout, 'data');
    child.stdout.destroy();
    assert.match(String(begin), /^# TYPE lockstep_step gauge\n/);
    const [status] = await once(child, 'close');
    assert.deepEqual([status, await said], [0, '']);
  });
});

it('a step is of the last attempt that began before it', () => {
  // The third went on from an earlier checkpoint than the second, the fourth did no step.
  const attempts = [0, 60, 20, 90].map((from) => ({ from }));
  const found = [1, 20, 21, 60, 61, 90, 91].map((step) => attemptOf(step, attempts));
  assert.deepEqual(found, [1, 1, 3, 3, 3, 3, 4]);
});
