import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { findCheckpoints, namedPath } from '#src/coordinator/run/find.js';
import { CheckpointError } from '#src/shared/util/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-find-'));
after(() => rmSync(folder, { recursive: true }));

/** A run directory with empty checkpoints, last written at a time given in seconds. */
function makeRun(runs: string, name: string, steps: readonly number[], time: number): string {
  const run = join(runs, name);
  mkdirSync(join(run, 'checkpoints'), { recursive: true });
  for (const step of steps) {
    writeFileSync(join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}.safetensors`), '');
  }
  writeFileSync(join(run, 'run.json'), '{}');
  utimesSync(join(run, 'run.json'), time, time);
  return run;
}

describe('findCheckpoints', () => {
  const runs = join(folder, 'runs');
  makeRun(runs, 'z-old', [100, 1000], 1000);
  const newest = makeRun(runs, 'a-new', [100, 99_999_999, 100_000_000], 2000);
  makeRun(runs, 'without', [], 3000);
  writeFileSync(join(newest, 'checkpoints', 'step-99999999999.safetensors.tmp'), '');

  test('takes the last checkpoint of the newest run that has one', async () => {
    assert.equal(
      (await findCheckpoints(undefined, runs))[0],
      join(newest, 'checkpoints', 'step-100000000.safetensors'),
    );
  });

  test('takes the last checkpoint of a named run, and a named file as it is', async () => {
    const old = join(runs, 'z-old');
    assert.equal((await findCheckpoints(old, runs))[0], join(old, 'checkpoints', 'step-00001000.safetensors'));
    const named = join(old, 'checkpoints', 'step-00000100.safetensors');
    assert.equal((await findCheckpoints(named, runs))[0], named);
    assert.equal((await findCheckpoints('nowhere', runs))[0], 'nowhere');
  });

  test('names the place without a checkpoint', async () => {
    const none = join(folder, 'none');
    for (const [path, place] of [
      [undefined, none],
      [join(runs, 'without'), join(runs, 'without')],
    ] as const) {
      await assert.rejects(findCheckpoints(path, none), (error) => {
        assert.ok(error instanceof CheckpointError);
        assert.ok(error.message.includes(place), error.message);
        return true;
      });
    }
  });

  test('names a folder of checkpoints that cannot be read', async () => {
    const run = join(folder, 'loop');
    mkdirSync(run);
    symlinkSync('checkpoints', join(run, 'checkpoints'));
    await assert.rejects(findCheckpoints(run, runs), (error) => {
      assert.ok(error instanceof CheckpointError);
      assert.match(error.message, /The checkpoints in .*loop\/checkpoints can't be read \(ELOOP/);
      return true;
    });
  });
});

describe('namedPath', () => {
  const env = { npm_lifecycle_event: 'start', INIT_CWD: folder };
  makeRun(join(folder, 'runs'), 'named', [], 1000);
  makeRun(join(folder, 'runs', 'sweep'), 'seed-1', [], 1000);

  for (const name of ['named', 'sweep/seed-1']) {
    test(`takes ${name} for the run below runs/, whether it is relative or absolute`, async () => {
      const run = join(folder, 'runs', name);
      for (const path of [name, join(folder, name), `runs/${name}`, run]) assert.equal(await namedPath(path, env), run);
    });
  }

  test('leaves what is no name of a run as it is', async () => {
    for (const path of ['none', '..', '../named', join(folder, '..', 'named')])
      assert.equal(await namedPath(path, env), resolve(folder, path));
  });
});
