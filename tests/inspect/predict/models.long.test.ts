import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { encode } from 'fast-png';
import { drawingModel } from '#src/cli/commands/draw.js';
import { openModel } from '#src/coordinator/run/saved-model.js';
import { encodeCheckpoint, UNKNOWN } from '#src/shared/checkpoint/checkpoint.js';
import { checkpointName } from '#src/shared/checkpoint/checkpoint-file.js';
import { digestOf } from '#src/shared/data/digest.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { SYNTHETIC_SHA256 } from '#src/shared/data/sources/synthetic.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lookedAtWeights } from '../../support/inspector.ts';
import { lenet5 } from '../../support/models.ts';
import { lockstep, main } from '../export/networks.ts';

const MNIST = digestOf(MNIST_FILES);
const folder = mkdtempSync(join(tmpdir(), 'lockstep-models-'));
after(() => rmSync(folder, { recursive: true }));

const bar = Uint8Array.from({ length: 28 * 28 }, (_, i) => (i % 28 === 14 && i > 112 && i < 672 ? 255 : 0));
writeFileSync(join(folder, 'bar.png'), encode({ width: 28, height: 28, channels: 1, data: bar }));

interface Saved {
  readonly step?: number;
  readonly dataset?: string;
  readonly change?: (weights: Float32Array) => Float32Array;
}

/** Random weights in a run's directory. @returns the checkpoint */
function save(run: string, { step = 40, dataset = MNIST, change = (weights) => weights }: Saved = {}): string {
  const layout = layoutOf(lenet5('softmax'));
  const weights = change(lookedAtWeights(layout, 61 + step));
  const optimizer = { m: new Float32Array(layout.parameters), v: undefined };
  const info = { step, config: { head: 'softmax' }, digests: { dataset, numerics: 'b' }, optimizerName: 'sgd' };
  const path = join(folder, run);
  mkdirSync(join(path, 'checkpoints'), { recursive: true });
  writeFileSync(join(path, 'run.json'), '{}');
  const file = join(path, 'checkpoints', checkpointName(step));
  writeFileSync(file, encodeCheckpoint({ ...info, layout, weights, optimizer }));
  return file;
}

function run(...args: string[]) {
  const { PATH, HOME, MNIST_DIR } = process.env;
  const env = { PATH, HOME, MNIST_DIR };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  return { status, stdout, stderr };
}

describe('what weights were trained on', () => {
  for (const [name, dataset, note] of [
    ['mnist', MNIST, undefined],
    ['synthetic', SYNTHETIC_SHA256, 'These weights were trained on SYNTHETIC digits (not MNIST).'],
    ['other', 'a'.repeat(64), 'These weights were trained on another set than MNIST.'],
    ['unknown', UNKNOWN, 'These weights were imported; what they were trained on is not known.'],
  ] as const) {
    test(`is said by predict and draw: ${name}`, async () => {
      const file = save(name, { dataset });
      const { status, stdout, stderr } = run('predict', 'bar.png', '--checkpoint', file, '--json');
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).dataset, name);
      assert.equal(stderr, note === undefined ? '' : `Note: ${note}\n`);
      const model = drawingModel(await openModel(file));
      assert.deepEqual([model.note, model.preparation], [note, name === 'other' ? undefined : { kind: 'ink' }]);
    });
  }

  test('is said by import', () => {
    lockstep(['export', save('drawn', { dataset: SYNTHETIC_SHA256 }), '--format', 'safetensors', '--out', 'w'], folder);
    assert.match(lockstep(['import', 'w', '--out', 'one'], folder), /^data {8}SYNTHETIC digits \(not MNIST\)$/m);
    assert.equal(JSON.parse(lockstep(['import', 'w', '--out', 'two', '--json'], folder)).dataset, 'synthetic');
  });
});

describe('a damaged newest checkpoint', () => {
  const before = save('torn', { step: 30 });
  const newest = save('torn', { step: 40 });
  truncateSync(newest, 5000);
  const intact = ['predict', 'bar.png', '--json', '--run', 'torn'];

  for (const args of [
    intact,
    ['export', 'torn', '--format', 'safetensors', '--out', 'torn.safetensors', '--json'],
    ['evaluate', 'torn', '--data', 'synthetic', '--json'],
  ]) {
    test(`is named, and the one before used, by ${args[0]}`, () => {
      const { status, stdout, stderr } = run(...args);
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).checkpoint, before);
      assert.match(stderr, /^PASSED OVER a checkpoint: .*step-00000040\.safetensors isn't a sound checkpoint/m);
    });
  }

  test('is refused where it is named itself, and where no other is left', () => {
    truncateSync(save('alone'), 5000);
    for (const named of [
      ['--checkpoint', newest],
      ['--run', 'alone'],
    ]) {
      const { status, stdout, stderr } = run('predict', 'bar.png', '--json', ...named);
      assert.deepEqual([status, stdout], [2, ''], named.join(' '));
      assert.match(stderr, /step-00000040\.safetensors isn't a sound checkpoint/);
    }
  });
});

test('predict and draw say what --run takes', () => {
  for (const command of [['predict', 'bar.png'], ['draw']]) {
    const missing = run(...command, '--run', 'nowhere');
    assert.equal(missing.status, 2);
    assert.match(missing.stderr, /There is no run directory .*nowhere\. `\S+ \S+main\.js runs` lists/);
    const file = run(...command, '--run', 'bar.png');
    assert.equal(file.status, 2);
    assert.match(file.stderr, /bar\.png is a file: expected a run directory.* --checkpoint\.$/m);
  }
});

test('draw takes a run or a checkpoint as its argument, or by a flag', () => {
  const missing = run('draw', 'nowhere');
  assert.equal(missing.status, 2);
  assert.match(missing.stderr, /nowhere/);
  const damaged = run('draw', 'bar.png');
  assert.equal(damaged.status, 2);
  assert.match(damaged.stderr, /bar\.png isn't a sound checkpoint/);
  const twice = run('draw', 'first', '--run', 'second');
  assert.equal(twice.status, 2);
  assert.match(twice.stderr, /^Two models are named, first and second: expected one\.$/m);
});

test('predict refuses weights that overflow, with nothing on standard output', () => {
  const file = save('huge', { change: (weights) => weights.fill(3e38) });
  for (const json of [[], ['--json']]) {
    const { status, stdout, stderr } = run('predict', 'bar.png', '--checkpoint', file, ...json);
    assert.deepEqual([status, stdout], [2, '']);
    assert.match(stderr, /step-00000040\.safetensors holds weights whose sums overflow/);
  }
});
