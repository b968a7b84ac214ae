import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { CheckpointCommand } from '#src/coordinator/run/checkpoint-command.js';
import { eventually } from '../../support/eventually.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-checkpoint-command-'));
after(() => rmSync(folder, { recursive: true }));

let count = 0;

/** A command in a folder of its own, which appends to `log`. */
function bench(command: string) {
  const cwd = join(folder, String(++count));
  mkdirSync(cwd);
  const run = join(cwd, "the run's directory");
  const lines: string[] = [];
  const registry = new Registry();
  const env = { PATH: process.env.PATH };
  const made = new CheckpointCommand({ command, cwd, env, print: (line) => lines.push(line) });
  made.register(registry);
  const save = (step: number): void =>
    made.onCheckpoint({ step, file: join(run, 'checkpoints', `step-${step}`), seconds: 0 });
  const log = (): string[] =>
    existsSync(join(cwd, 'log')) ? readFileSync(join(cwd, 'log'), 'utf8').trimEnd().split('\n') : [];
  const counts = async () => {
    const { values = [] } = (await registry.getMetricsAsJSON())[0] as unknown as { values?: { value: number }[] };
    return values.map(({ value }) => value);
  };
  return { made, cwd, run, lines, save, log, counts };
}

const never = new AbortController().signal;

describe('the checkpoint command', () => {
  it('gets the file, the run and the step, each as one word', async () => {
    const { made, run, save, log } = bench('printf "%s\\n" {file} {run} {step} >> log');
    save(7);
    await made.finish(never);
    const lines = [join(run, 'checkpoints', 'step-7'), run, '7'];
    assert.deepEqual(log().slice(0, 3), lines);
  });

  it('never runs twice at once: the newest waits, and those before it are skipped', async () => {
    const { made, cwd, save, log, counts } = bench(
      'mkdir busy || exit 9; echo {step} >> log; while ! [ -e go ]; do sleep 0.01; done; rmdir busy',
    );
    save(1);
    await eventually(
      () => 'it runs',
      () => log().length === 1,
    );
    for (const step of [2, 3, 4]) save(step);
    writeFileSync(join(cwd, 'go'), '');
    await made.finish(never);
    assert.deepEqual(log(), ['1', '4']);
    assert.deepEqual(await counts(), [2, 0, 2]);
  });

  it('that fails is counted and reported, less often the longer it fails, and so is its recovery', async () => {
    const { made, cwd, save, lines, counts } = bench('[ -e fine ] || { echo no route >&2; exit 1; }');
    for (let step = 1; step <= 5; step++) {
      save(step);
      await eventually(
        () => 'it fails',
        () => made.counts.failed === step,
      );
    }
    assert.deepEqual(
      lines,
      [1, 2, 4].map((step) => `The checkpoint command FAILED for step ${step}: it has the exit code 1 (no route).`),
    );
    writeFileSync(join(cwd, 'fine'), '');
    save(6);
    await made.finish(never);
    assert.ok(lines.includes('The checkpoint command succeeds again, for step 6.'), lines.join('\n'));
    assert.deepEqual(await counts(), [1, 5, 0]);
  });

  it('runs at the end for what was held, and once more if it copies the run', async () => {
    for (const [command, expected] of [
      ['echo {step} >> log', ['1', '2']],
      ['echo {step} {run} >> log', ['1', '2']],
      ['echo {step} {run} >> log; : held', ['1', '1']],
    ] as const) {
      const { made, save, log } = bench(command);
      save(1);
      await eventually(
        () => 'it succeeds',
        () => made.counts.succeeded === 1,
      );
      made.hold();
      if (!command.endsWith('held')) save(2);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(log().length, 1, command);
      await made.finish(never);
      assert.deepEqual(
        log().map((line) => line.split(' ')[0]),
        expected,
        command,
      );
    }
  });

  it('that hangs is ended some time after a stop', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { made, save, log, counts } = bench('echo {step} >> log; sleep 1000');
    save(1);
    while (log().length === 0) await new Promise((resolve) => setImmediate(resolve));
    const finished = made.finish(AbortSignal.abort());
    t.mock.timers.tick(20_000);
    await finished;
    assert.deepEqual(await counts(), [0, 1, 0]);
  });
});
