import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Manifest, manifestOf } from '#src/coordinator/run/manifest.js';
import { RunDirectory, runName } from '#src/coordinator/run/run-directory.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { RunDirectoryError, RunLockError } from '#src/shared/util/errors.js';
import { stepRecord } from '../../support/step-record.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-runs-'));
after(() => rm(root, { recursive: true }));

const options = { name: 'first', runs: join(root, 'runs'), print: assert.fail, force: false };

/** A manifest of a run with this seed. */
function manifest(seed: number): Promise<Manifest> {
  return manifestOf({
    ...resolveTrainConfig({ flags: { seed: String(seed) }, env: {} }),
    name: 'first',
    digests: { dataset: 'd', numerics: 'n' },
    dataset: 'mnist',
    from: 0,
    started: new Date('2026-05-04T10:00:00.000Z'),
    metricsUrl: undefined,
  });
}

function record(step: number): StepRecord {
  return stepRecord(step, { loss: 2.5, accuracy: 0.125, timings: { total: 0.25 } });
}

async function assertRefused(promise: Promise<unknown>, ...parts: readonly string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof RunDirectoryError, String(error));
    assert.equal(error.exitCode, 2);
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} | lacks: ${part}`);
    return true;
  });
}

test('a run without --out gets a new folder of its own', async () => {
  const first = await RunDirectory.create(undefined, options);
  const second = await RunDirectory.create(undefined, options);
  assert.deepEqual([first.name, second.name], ['first', 'first-2']);
  assert.equal(first.path, join(root, 'runs', 'first'));
  assert.deepEqual((await readdir(first.path)).sort(), ['checkpoints', 'run.lock', 'steps.jsonl']);
  await Promise.all([first.close(), second.close()]);
});

test('runs that start at once get different folders', async () => {
  const runs = await Promise.all(Array.from({ length: 8 }, () => RunDirectory.create(undefined, options)));
  assert.equal(new Set(runs.map((run) => run.path)).size, 8);
  await Promise.all(runs.map((run) => run.close()));
});

test('a name sorts by the start and contains the seed', () => {
  assert.equal(runName(new Date('2026-05-04T10:20:30.999Z'), 7), '2026-05-04T10-20-30Z-seed-7');
});

test('--out may be new or empty, and is refused if it holds anything', async () => {
  const fresh = join(root, 'deep', 'below');
  const run = await RunDirectory.create(fresh, options);
  await run.writeManifest(await manifest(1));
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
  assert.ok(refused[0] instanceof RunLockError);
  await made[0]?.close();
});

test('--out that a living run holds is refused, with its process and how it is continued', async () => {
  const out = await mkdtemp(join(root, 'held by it-'));
  const run = await RunDirectory.create(out, options);
  await assert.rejects(RunDirectory.create(out, options), (error) => {
    assert.ok(error instanceof RunLockError, String(error));
    assert.equal(error.exitCode, 75);
    assert.ok(error.message.startsWith(`Process ${process.pid} writes a run in ${out}. Name another folder by --out.`));
    assert.ok(error.message.endsWith(` train --resume '${out}'`), error.message);
    return true;
  });
  await run.close();
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
  await run.writeManifest(await manifest(1));
  await run.writeManifest(await manifest(2));
  const text = await readFile(join(run.path, 'run.json'), 'utf8');
  assert.equal(JSON.parse(text).config.seed, 2);
  assert.match(text, /^\{\n {2}"name": "first",\n[\s\S]*\n\}\n$/);
  assert.deepEqual((await readdir(run.path)).sort(), ['checkpoints', 'run.json', 'run.lock', 'steps.jsonl']);
  await rm(join(run.path, 'run.json'));
  await mkdir(join(run.path, 'run.json'));
  await assertRefused(run.writeManifest(await manifest(3)), join(run.path, 'run.json'), 'could not be written');
  await run.close();
});

test('the files of a run that was killed before it began are no run', async () => {
  const out = await mkdtemp(join(root, 'unborn-'));
  await (await RunDirectory.create(out, options)).close();
  await writeFile(join(out, 'run.json.tmp'), '{');
  await writeFile(join(out, 'run.json.0123456789abcdef.tmp'), '{');
  await writeFile(join(out, 'checkpoints', 'step-00000000.safetensors'), '');
  const run = await RunDirectory.create(out, options);
  assert.deepEqual(await readdir(run.checkpoints), []);
  assert.ok(!(await readdir(out)).includes('run.json.0123456789abcdef.tmp'));
  await run.close();
  await writeFile(join(out, 'checkpoints', 'step-00000020.safetensors'), '');
  await assertRefused(RunDirectory.create(out, options), 'step-00000020');
  await rm(join(out, 'checkpoints'), { recursive: true });
  await writeFile(join(out, 'steps.jsonl'), '{}');
  await assertRefused(RunDirectory.create(out, options), 'steps.jsonl');
});

test('a resumed run: its log is cut, incomplete files are removed', async () => {
  const run = await RunDirectory.create(undefined, options);
  for (const step of [1, 2, 3]) run.appendStep(record(step));
  await run.close();
  await writeFile(join(run.checkpoints, 'step-00000003.safetensors.tmp'), 'half');
  const mine = ['run.json.0123456789abcdef.tmp', 'remote-write.json.0123456789abcdef.tmp'];
  for (const name of [...mine, 'report.html.0123456789abcdef.tmp']) await writeFile(join(run.path, name), 'half');
  const again = await RunDirectory.open(run.path, options);
  assert.deepEqual(await again.resume(2), { record: record(2), at: undefined });
  again.appendStep(record(3));
  await again.syncSteps();
  const lines = (await readFile(join(run.path, 'steps.jsonl'), 'utf8')).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).step),
    [1, 2, 3],
  );
  assert.deepEqual(await readdir(run.checkpoints), []);
  const left = ['checkpoints', 'report.html.0123456789abcdef.tmp', 'run.lock', 'steps.jsonl'];
  assert.deepEqual((await readdir(run.path)).sort(), left);
  await assert.rejects(RunDirectory.open(run.path, options), RunLockError);
  await again.close();
  await assert.rejects(RunDirectory.open(join(root, 'nowhere'), options), /nowhere.*folder exists/);
});

test('a link in a run directory is neither followed nor written through', async () => {
  const run = await RunDirectory.create(undefined, options);
  await run.close();
  const [target, folder] = [join(root, 'target'), join(root, 'target-folder')];
  await writeFile(target, '{}\n');
  await mkdir(folder);
  await writeFile(join(folder, 'half.tmp'), 'not ours');
  for (const [name, to] of [
    ['steps.jsonl', target],
    ['checkpoints', folder],
  ] as const) {
    await rm(join(run.path, name), { recursive: true });
    await symlink(to, join(run.path, name));
    const again = await RunDirectory.open(run.path, options);
    await assertRefused(again.resume(0), 'steps.jsonl could not be written', 'it is a symbolic link');
    await again.close();
  }
  const again = await RunDirectory.open(run.path, options);
  await symlink(target, join(run.path, 'run.json'));
  await symlink(target, join(run.path, 'run.json.tmp'));
  await again.writeManifest(await manifest(1));
  await again.close();
  assert.equal(await readFile(target, 'utf8'), '{}\n');
  assert.deepEqual(await readdir(folder), ['half.tmp']);

  const planted = join(root, 'planted');
  await mkdir(planted);
  await writeFile(target, '');
  await symlink(target, join(planted, 'steps.jsonl'));
  await assertRefused(RunDirectory.create(planted, options), planted, 'it is a symbolic link');
});

test('a directory that another process took over is not written any more', async () => {
  const run = await RunDirectory.create(undefined, options);
  await run.writeManifest(await manifest(1));
  const lock = JSON.parse(await readFile(join(run.path, 'run.lock'), 'utf8'));
  await writeFile(join(run.path, 'run.lock'), JSON.stringify({ ...lock, token: 'of another' }));
  await assert.rejects(run.writeManifest(await manifest(2)), (error) => {
    assert.ok(error instanceof RunLockError);
    assert.deepEqual([error.lost, error.exitCode], [true, 1]);
    return true;
  });
  assert.equal(JSON.parse(await readFile(join(run.path, 'run.json'), 'utf8')).config.seed, 1);
  await run.close();
});
