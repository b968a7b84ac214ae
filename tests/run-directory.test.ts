import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { StepRecord } from '#src/coordinator/observer.js';
import { type LogFile, RunDirectory, runName, StepLog } from '#src/coordinator/run-directory.js';
import { RunDirectoryError } from '#src/shared/errors.js';

const root = await mkdtemp(join(tmpdir(), 'lockstep-runs-'));
after(() => rm(root, { recursive: true }));

const options = { name: 'first', runs: join(root, 'runs'), onLogFailure: assert.fail };

function record(step: number): StepRecord {
  return { step, loss: 2.5, accuracy: 0.125, learningRate: 0.003, gradientNorm: 1.5, timings: { total: 0.25 } };
}

function stepsOf(lines: string): number[] {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).step);
}

async function assertRefused(promise: Promise<unknown>, ...parts: readonly string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof RunDirectoryError, String(error));
    assert.equal(error.exitCode, 2);
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} | lacks: ${part}`);
    return true;
  });
}

/** A log file whose appends wait for the test to settle them. */
class HeldFile implements LogFile {
  readonly appended: string[] = [];
  readonly #held: { resolve: () => void; reject: (error: Error) => void }[] = [];

  append(text: string): Promise<void> {
    this.appended.push(text);
    return new Promise((resolve, reject) => {
      this.#held.push({ resolve, reject });
    });
  }

  settle(error?: Error): void {
    const next = this.#held.shift();
    assert.ok(next, 'no append is held');
    if (error) next.reject(error);
    else next.resolve();
  }

  async close(): Promise<void> {}
}

/** Lets every promise that is ready run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

test('a run without --out gets a new folder of its own', async () => {
  const first = await RunDirectory.create(undefined, options);
  const second = await RunDirectory.create(undefined, options);
  assert.deepEqual([first.name, second.name], ['first', 'first-2']);
  assert.equal(first.path, join(root, 'runs', 'first'));
  assert.deepEqual((await readdir(first.path)).sort(), ['checkpoints', 'steps.jsonl']);
  await Promise.all([first.close(), second.close()]);
});

test('runs that start at once get different folders', async () => {
  const runs = await Promise.all(Array.from({ length: 8 }, () => RunDirectory.create(undefined, options)));
  assert.equal(new Set(runs.map((run) => run.path)).size, 8);
  await Promise.all(runs.map((run) => run.close()));
});

test('a name sorts by the start and tells the seed', () => {
  assert.equal(runName(new Date('2026-05-04T10:20:30.999Z'), 7), '2026-05-04T10-20-30Z-seed-7');
});

test('--out may be new or empty, and is refused where it holds anything', async () => {
  const fresh = join(root, 'deep', 'below');
  const run = await RunDirectory.create(fresh, options);
  await run.close();
  assert.equal(run.checkpoints, join(fresh, 'checkpoints'));
  await assertRefused(RunDirectory.create(fresh, options), fresh, "isn't empty", '--out');
  const empty = await mkdtemp(join(root, 'empty-'));
  await (await RunDirectory.create(empty, options)).close();
});

test('of two runs that claim one empty folder, one is refused', async () => {
  const out = await mkdtemp(join(root, 'claimed-'));
  const settled = await Promise.allSettled([RunDirectory.create(out, options), RunDirectory.create(out, options)]);
  const made = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  assert.equal(made.length, 1);
  assert.ok(refused[0] instanceof RunDirectoryError);
  assert.match(refused[0].message, /isn't empty/);
  await made[0]?.close();
});

test('a folder that cannot be made is refused', async () => {
  const file = join(root, 'a-file');
  await writeFile(file, '');
  await assertRefused(RunDirectory.create(file, options), file, 'is a file');
  await assertRefused(RunDirectory.create(join(file, 'below'), options), file, 'is a file', '--out');
  await assertRefused(RunDirectory.create(undefined, { ...options, runs: file }), file, 'is a file');
  await assertRefused(RunDirectory.create(join(root, 'x'.repeat(300)), options), 'ENAMETOOLONG');
});

test('the manifest is readable JSON, replaced as a whole', async () => {
  const run = await RunDirectory.create(undefined, options);
  await run.writeManifest({ config: { seed: 1 } });
  await run.writeManifest({ config: { seed: 2 } });
  assert.equal(await readFile(join(run.path, 'run.json'), 'utf8'), '{\n  "config": {\n    "seed": 2\n  }\n}\n');
  assert.deepEqual((await readdir(run.path)).sort(), ['checkpoints', 'run.json', 'steps.jsonl']);
  await rm(join(run.path, 'run.json'));
  await mkdir(join(run.path, 'run.json'));
  await assertRefused(run.writeManifest({}), join(run.path, 'run.json'), 'could not be written');
  await run.close();
});

test('steps.jsonl holds a line a step, in order, with fixed keys', async () => {
  const run = await RunDirectory.create(undefined, options);
  const taken = { chain: 'c'.repeat(64), weightsSha256: 'd'.repeat(64), testLoss: 0.5, testAccuracy: 0.75 };
  run.appendStep({ ...taken, ...record(1), timings: { phases: { compute: 0.125 }, total: 0.25 } });
  for (let step = 2; step <= 2000; step++) run.appendStep(record(step));
  await run.flush();
  const lines = await readFile(join(run.path, 'steps.jsonl'), 'utf8');
  assert.deepEqual(
    stepsOf(lines),
    Array.from({ length: 2000 }, (_, i) => i + 1),
  );
  assert.equal(
    lines.split('\n', 1)[0],
    '{"step":1,"loss":2.5,"accuracy":0.125,"learningRate":0.003,"gradientNorm":1.5,' +
      '"timings":{"total":0.25,"phases":{"compute":0.125}},"testAccuracy":0.75,"testLoss":0.5,' +
      `"weightsSha256":"${taken.weightsSha256}","chain":"${taken.chain}"}`,
  );
  run.appendStep(record(2001));
  await Promise.all([run.close(), run.close()]);
  run.appendStep(record(2002));
  await run.flush();
  assert.equal(stepsOf(await readFile(join(run.path, 'steps.jsonl'), 'utf8')).at(-1), 2001);
});

test('lines are gathered for a second', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const file = new HeldFile();
  const log = new StepLog(file, 'steps.jsonl', assert.fail);
  log.append(record(1));
  t.mock.timers.tick(999);
  log.append(record(2));
  await turn();
  assert.deepEqual(file.appended, []);
  t.mock.timers.tick(1);
  await turn();
  assert.deepEqual(file.appended.map(stepsOf), [[1, 2]]);
  log.append(record(3));
  t.mock.timers.tick(1000);
  await turn();
  assert.equal(file.appended.length, 1, 'a second write began before the first had ended');
  file.settle();
  await turn();
  assert.deepEqual(file.appended.map(stepsOf), [[1, 2], [3]]);
});

test('a flush covers lines that came while another was being written', async () => {
  const file = new HeldFile();
  const log = new StepLog(file, 'steps.jsonl', assert.fail);
  log.append(record(1));
  const first = log.flush();
  await turn();
  log.append(record(2));
  file.settle();
  const second = first.then(() => {
    log.append(record(3));
    return log.flush();
  });
  await turn();
  file.settle();
  await second;
  assert.deepEqual(file.appended.flatMap(stepsOf), [1, 2, 3]);
});

test('a failed write ends the log, is reported once and disturbs nobody', async () => {
  const file = new HeldFile();
  const failures: RunDirectoryError[] = [];
  const log = new StepLog(file, 'steps.jsonl', (error) => failures.push(error));
  log.append(record(1));
  const flushed = log.flush();
  await turn();
  log.append(record(2));
  file.settle(new Error('ENOSPC: no space left on device'));
  await flushed;
  log.append(record(3));
  await log.close();
  assert.deepEqual(file.appended.map(stepsOf), [[1]]);
  assert.equal(failures.length, 1);
  assert.ok(failures[0] instanceof RunDirectoryError);
  assert.match(failures[0].message, /steps\.jsonl could not be written: ENOSPC.*disk has space/);
});

test('a log file that fails to close is reported', async () => {
  const failures: RunDirectoryError[] = [];
  const file = { append: async () => {}, close: () => Promise.reject(new Error('EIO')) };
  await new StepLog(file, 'steps.jsonl', (error) => failures.push(error)).close();
  assert.match(failures[0]?.message ?? '', /EIO/);
});

test('a disk that never answers cannot take all memory', async () => {
  const file = new HeldFile();
  const failures: RunDirectoryError[] = [];
  const log = new StepLog(file, 'steps.jsonl', (error) => failures.push(error));
  const line = JSON.stringify(record(100000)).length;
  const enough = Math.ceil((10 << 20) / line);
  for (let step = 0; step < enough; step++) log.append(record(100000));
  assert.equal(failures.length, 1);
  assert.match(failures[0]?.message ?? '', /too slow/);
});
