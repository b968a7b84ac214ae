import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { decodeCheckpoint, encodeCheckpoint, trainingStateOf } from '#src/shared/checkpoint/checkpoint.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../support/models.ts';
import { lockstep, manifestOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-not-finite-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = [
  'train',
  '--batch',
  '16',
  '--data',
  'synthetic',
  '--workers',
  '1',
  '--warmup',
  '0',
  '--schedule',
  'constant',
];
const QUIET = ['--metrics-port', 'off', '--tensorboard'];
const layout = layoutOf(lenet5('softmax'));

/** Gives the weights of a checkpoint to `change`, and writes them with a correct digest. */
function rewrite(file: string, change: (weights: Float32Array) => void): void {
  const checkpoint = decodeCheckpoint(readFileSync(file), file);
  const state = trainingStateOf(checkpoint, layout);
  change(state.weights);
  writeFileSync(file, encodeCheckpoint({ ...checkpoint, ...state, layout }));
}

const sound = join(folder, 'sound');
assert.equal(lockstep([...FLAGS, ...QUIET, '--iterations', '2', '--out', sound]).status, 0);

describe('a last step', () => {
  it('whose weights give no finite loss on the test set fails, and fails again if it is resumed', () => {
    const run = join(folder, 'overflown');
    const flags = ['--optimizer', 'sgd', '--learning-rate', '1000000', '--iterations', '2'];
    const pattern = /Step 2: expected a finite loss on the test set after its update, but got NaN\..* Try a lower/;
    for (const args of [
      [...FLAGS, ...flags, ...QUIET, '--out', run],
      ['train', '--resume', run, ...QUIET],
    ]) {
      const { status, stderr } = lockstep(args);
      assert.match(stderr, pattern);
      assert.doesNotMatch(stderr, /^Done/m);
      assert.equal(status, 3);
      assert.deepEqual([manifestOf(run).state, manifestOf(run).result], ['failed', undefined]);
    }
    const report = lockstep(['report', run, '--data', 'synthetic']);
    assert.match(report.stderr, /step-00000002\.safetensors holds weights whose sums overflow/);
    assert.equal(report.status, 2);
    for (const args of [
      ['diff', run, run],
      ['metrics', run, '--openmetrics'],
    ]) {
      const { status, stderr } = lockstep(args);
      assert.equal(status, 0, `${args[0]}: ${stderr}`);
    }
    const { status, stdout } = lockstep(['verify', run, '--all', '--data', 'synthetic']);
    assert.equal(status, 0, stdout);
  });

  it('whose update overflows a weight fails, and is not applied', () => {
    const begun = join(folder, 'begun');
    cpSync(sound, begun, { recursive: true });
    const file = join(begun, 'checkpoints', 'step-00000002.safetensors');
    // The unit is dead, so the weights behind it reach no loss and no gradient, but the decay.
    rewrite(file, (weights) => {
      const [, bias] = layout.layers.at(-2)?.tensors ?? [];
      const [behind] = layout.layers.at(-1)?.tensors ?? [];
      weights[bias?.offset as number] = -1e9;
      weights[behind?.offset as number] = 1e30;
    });
    const run = join(folder, 'decayed');
    const decay = ['--optimizer', 'sgd', '--momentum', '0', '--learning-rate', '1000', '--weight-decay', '1000000'];
    const { status, stderr } = lockstep([
      ...[...FLAGS, ...decay, '--iterations', '1', '--init', file],
      ...[...QUIET, '--out', run],
    ]);
    assert.match(
      stderr,
      /Step 1: expected finite weights after its update, but weight \d+ is -?Infinity\. The step was not applied\./,
    );
    assert.equal(status, 3);
    assert.equal(manifestOf(run).state, 'failed');
    assert.deepEqual(readdirSync(join(run, 'checkpoints')), ['step-00000000.safetensors']);
    assert.equal(readFileSync(join(run, 'steps.jsonl'), 'utf8'), '');
  });
});

describe('weights that are not finite', () => {
  for (const [name, values] of [
    ['NaN', [Number.NaN]],
    ['infinity', [Number.POSITIVE_INFINITY]],
    ['all kinds', [Number.NaN, 1, Number.NEGATIVE_INFINITY, 3e38]],
  ] as const) {
    it(`are refused by report in plain words: ${name}`, () => {
      const run = join(folder, name);
      cpSync(sound, run, { recursive: true });
      // The log says otherwise of these weights.
      rmSync(join(run, 'steps.jsonl'));
      writeFileSync(join(run, 'steps.jsonl'), '');
      rewrite(join(run, 'checkpoints', 'step-00000002.safetensors'), (weights) => {
        for (const i of weights.keys()) weights[i] = values[i % values.length] as number;
      });
      const { status, stderr } = lockstep(['report', run, '--data', 'synthetic']);
      assert.match(stderr, /step-00000002\.safetensors holds weights whose sums overflow/);
      assert.doesNotMatch(stderr, /^ +at |Unexpected/m);
      assert.equal(status, 2);
    });
  }
});
