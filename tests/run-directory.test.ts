import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { RunDirectory, runName } from '#src/coordinator/run-directory.js';
import { RunDirectoryError } from '#src/shared/errors.js';

const root = await mkdtemp(join(tmpdir(), 'lockstep-runs-'));
after(() => rm(root, { recursive: true }));

const options = { name: 'first', runs: join(root, 'runs'), say: assert.fail, forceUnlock: false };

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
