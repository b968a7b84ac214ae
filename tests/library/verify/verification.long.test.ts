import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Verification } from '#src/library/verify/result.js';
import {
  changeLine,
  changeManifest,
  checkpointOf,
  copyOf,
  firstOf,
  flipBit,
  folder,
  forge,
  INTERVALS,
  intact,
  linesOf,
  lockstep,
  train,
  trainUntilStopped,
  verify,
} from './tampered.ts';

describe('an intact run', () => {
  test('is the same with another number of workers', () => {
    const { status, stdout, stderr } = lockstep('verify', intact, '--all', '--workers', '3');
    assert.equal(status, 0, stderr);
    assert.deepEqual(stdout.split('\n'), [
      'run         intact',
      'run.json    agrees with the log and the checkpoints; not checked: times, speeds, hosts, versions, paths',
      'log         60 steps, none missing',
      'hash chain  6 links, the same',
      'recomputed  3 of 3 spans, 60 of 60 steps (100 %), with 3 workers',
      '  steps 1 to 20: the same',
      '  steps 21 to 40: the same',
      '  steps 41 to 60: the same',
      'All that was compared is the same, bit for bit.',
      '',
    ]);
    assert.equal(stderr, 'Data: SYNTHETIC digits, not MNIST: the checkpoint was trained on them.\n');
  });

  test('--spans computes that many, and the share is printed', () => {
    const { status, stdout, stderr } = lockstep('verify', intact, '--spans', '2', '--json');
    assert.equal(status, 0, stderr);
    const { recomputed, same } = JSON.parse(stdout) as Verification;
    assert.deepEqual([recomputed.steps, recomputed.share, recomputed.of, same], [40, 2 / 3, 3, true]);
    assert.equal(new Set(recomputed.spans.map(({ from }) => from)).size, 2);
  });

  test('may have been begun by --init', async () => {
    const run = join(folder, 'begun');
    train('--iterations', '40', ...INTERVALS, '--init', checkpointOf(intact, 20), '--out', run);
    const found = await verify(run);
    assert.deepEqual([found.same, found.recomputed.steps], [true, 40]);
    forge(run, 0, ({ weights }) => ({ weights: weights.with(9, 0.5) }));
    assert.match((await verify(run)).damaged[0]?.problem ?? '', /holds other weights than the run began with/);
    // Without its beginning, the run can be checked from the next checkpoint on, but not as a whole.
    rmSync(checkpointOf(run, 0));
    const rest = await verify(run);
    assert.deepEqual([rest.same, rest.recomputed.share], [false, 0.5]);
    assert.match(rest.damaged[0]?.problem ?? '', /which the run began with by --init, is missing/);
  });

  test('may have been stopped and resumed, with more iterations and other intervals', async () => {
    const run = join(folder, 'resumed');
    train('--iterations', '30', ...INTERVALS, '--schedule', 'constant', '--out', run);
    const more = ['--metrics-port', 'off', '--evaluate-every', '40', '--checkpoint-every', '35'];
    await trainUntilStopped('--resume', run, '--iterations', '1000000', ...more);
    await trainUntilStopped('--resume', run, ...more);
    const found = await verify(run);
    assert.equal(found.same, true);
    assert.equal(found.recomputed.share, 1);
    assert.deepEqual(
      found.recomputed.spans.slice(0, 3).map(({ to }) => to),
      [20, 30, 35],
    );
    // The last attempt's intervals don't include the evaluation of step 30.
    changeLine(run, 30, (line) => ({ ...line, testAccuracy: 0.99 }));
    const first = firstOf(await verify(run), 30);
    assert.deepEqual([first?.step, first?.field, first?.logged], [30, 'testAccuracy', 0.99]);
  });
});

describe('a changed log', () => {
  test('exits with 1, and prints the step and both values', () => {
    const run = copyOf(intact);
    const changed = (loss: unknown) => Number(String(loss).replace(/\d$/, (digit) => String((Number(digit) + 5) % 10)));
    const { loss } = changeLine(run, 33, (line) => ({ ...line, loss: changed(line.loss) }));
    const { status, stdout } = lockstep('verify', run, '--all');
    assert.equal(status, 1);
    const line = `  steps 21 to 40: DIFFER first at step 33: loss is ${changed(loss)}, computed ${loss}\n`;
    assert.ok(stdout.includes(line), stdout);
    assert.match(stdout, /^The run is NOT what was computed here\.$/m);
  });
});

describe('a checkpoint', () => {
  test('that was forged with a correct digest of its own is found from both sides', async () => {
    const run = copyOf(intact);
    forge(run, 40, ({ weights }) => ({ weights: weights.with(5, 0.25) }));
    const found = await verify(run);
    assert.equal(found.same, false);
    assert.match(found.damaged[0]?.problem ?? '', /step-00000040\.safetensors has the weightsSha256/);
    const before = firstOf(found, 40);
    assert.deepEqual([before?.step, before?.field], [40, 'checkpoint.weightsSha256']);
    assert.equal(before?.computed, JSON.parse(linesOf(run)[39] as string).weightsSha256);
    assert.equal(firstOf(found, 60)?.step, 41);
    assert.equal(lockstep('verify', run, '--all').status, 1);
  });

  test('that is damaged is named and counts, and the span extends to the next one', async () => {
    const run = copyOf(intact);
    const file = checkpointOf(run, 20);
    flipBit(file);
    const { status, stdout } = lockstep('verify', run, '--all');
    assert.equal(status, 1);
    assert.ok(stdout.includes(`checkpoint  DAMAGED: ${file}`), stdout);
    assert.match(stdout, /^ {2}steps 1 to 40: the same$/m);
  });
});

test('what cannot be verified here is bad usage', () => {
  const run = copyOf(intact);
  for (const [digest, message] of [
    ['numerics', /^copy-\d+ can't be verified by this build: .* ffffffffffff, .* Use the build that trained it/],
    ['dataset', /^copy-\d+ can't be verified with this data set: .* ffffffffffff, .*--data/m],
  ] as const) {
    const { digests } = JSON.parse(readFileSync(join(intact, 'run.json'), 'utf8'));
    changeManifest(run, (manifest) => ({ ...manifest, digests: { ...digests, [digest]: 'f'.repeat(64) } }));
    const { status, stdout, stderr } = lockstep('verify', run, '--data', 'synthetic');
    assert.match(stderr, message);
    assert.deepEqual([status, stdout], [2, '']);
  }
  for (const spans of ['0', '-1', '1.5', 'x']) {
    const { status, stderr } = lockstep('verify', run, '--spans', spans);
    assert.match(stderr, /^--spans: expected a whole number from 1/);
    assert.equal(status, 2);
  }
});
