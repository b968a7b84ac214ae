import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findCheckpoint } from '#src/coordinator/run/find.js';
import { confusionOf } from '#src/shared/engine/evaluation.js';
import { CheckpointError } from '#src/shared/util/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-evaluate-'));
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

describe('findCheckpoint', () => {
  const runs = join(folder, 'runs');
  makeRun(runs, 'z-old', [100, 1000], 1000);
  const newest = makeRun(runs, 'a-new', [100, 99_999_999, 100_000_000], 2000);
  makeRun(runs, 'without', [], 3000);
  writeFileSync(join(newest, 'checkpoints', 'step-99999999999.safetensors.tmp'), '');

  test('takes the last checkpoint of the newest run that has one', async () => {
    assert.equal(await findCheckpoint(undefined, runs), join(newest, 'checkpoints', 'step-100000000.safetensors'));
  });

  test('takes the last checkpoint of a named run, and a named file as it is', async () => {
    const old = join(runs, 'z-old');
    assert.equal(await findCheckpoint(old, runs), join(old, 'checkpoints', 'step-00001000.safetensors'));
    const named = join(old, 'checkpoints', 'step-00000100.safetensors');
    assert.equal(await findCheckpoint(named, runs), named);
    assert.equal(await findCheckpoint('nowhere', runs), 'nowhere');
  });

  test('says where it looked in vain', async () => {
    const none = join(folder, 'none');
    for (const [path, place] of [
      [undefined, none],
      [join(runs, 'without'), join(runs, 'without')],
    ] as const) {
      await assert.rejects(findCheckpoint(path, none), (error) => {
        assert.ok(error instanceof CheckpointError);
        assert.ok(error.message.includes(place), error.message);
        return true;
      });
    }
  });
});

test('the confusion matrix counts images by truth and guess', () => {
  const confusion = confusionOf(Uint8Array.of(0, 0, 3, 9), Uint8Array.of(0, 7, 3, 9), 10);
  assert.equal(confusion.length, 10);
  assert.deepEqual(confusion[0], [1, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual([confusion[3]?.[3], confusion[9]?.[9]], [1, 1]);
  assert.equal(
    confusion.flat().reduce((sum, count) => sum + count),
    4,
  );
});

test('evaluate finds what the run found', (t) => {
  const { MNIST_DIR, PATH, HOME } = process.env;
  if (!MNIST_DIR) {
    assert.notEqual(process.env.CI, 'true', 'set MNIST_DIR to a folder with the four MNIST files');
    return t.skip('set MNIST_DIR to a folder with the four MNIST files');
  }
  const main = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
  const lockstep = (...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH, HOME, MNIST_DIR, LOCKSTEP_LOG_FORMAT: 'text' },
    });
    assert.equal(status, 0, stderr);
    return stdout;
  };
  const run = join(folder, 'trained');
  const args = ['--iterations', '20', '--workers', '2', '--metrics-port', 'off', '--head', 'rbf', '--out', run];
  const trained = JSON.parse(lockstep('train', ...args, '--json'));
  const found = JSON.parse(lockstep('evaluate', run, '--json'));
  const { step, weightsSha256, testAccuracy, testLoss } = found;
  assert.deepEqual(
    { steps: step, weightsSha256, testAccuracy, testLoss },
    {
      steps: 20,
      weightsSha256: trained.weightsSha256,
      testAccuracy: trained.testAccuracy,
      testLoss: trained.testLoss,
    },
  );
  assert.equal(
    found.confusion.flat().reduce((sum: number, count: number) => sum + count),
    10_000,
  );
  const text = lockstep('evaluate', run);
  assert.match(text, /^step {8}20$/m);
  assert.ok(text.includes(`accuracy    ${(100 * testAccuracy).toFixed(2)} % of 10,000 test images`), text);
});
