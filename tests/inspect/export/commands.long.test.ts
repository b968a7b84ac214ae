import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { encodeCheckpoint } from '#src/shared/checkpoint/checkpoint.js';
import { SYNTHETIC_SHA256 } from '#src/shared/data/sources/synthetic.js';
import { decodeSafetensors } from '#src/shared/util/safetensors.js';
import { lenets, lockstep, main, randomNetwork } from './networks.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-export-commands-'));
after(() => rmSync(folder, { recursive: true }));

/** A run directory with one checkpoint of random weights. */
function makeRun(name: string, head: 'softmax' | 'rbf', dataset: string, change = (weights: Float32Array) => weights) {
  const spec = lenets.find((lenet) => lenet.head === head)?.spec;
  assert.ok(spec);
  const { layout, weights } = randomNetwork(spec, 61);
  const optimizer = { m: new Float32Array(layout.parameters), v: undefined };
  const info = { step: 40, config: { head, rbfJ: 0.1 }, digests: { dataset, numerics: 'b' }, optimizerName: 'sgd' };
  mkdirSync(join(folder, 'runs', name, 'checkpoints'), { recursive: true });
  writeFileSync(join(folder, 'runs', name, 'run.json'), '{}');
  const file = join(folder, 'runs', name, 'checkpoints', 'step-00000040.safetensors');
  writeFileSync(file, encodeCheckpoint({ ...info, layout, weights: change(weights), optimizer }));
  return file;
}

/** Runs a command that must be refused. @returns what it said */
function refused(...args: string[]): string {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env,
  });
  assert.equal(status, 2, stderr);
  assert.equal(stdout, '');
  assert.doesNotMatch(stderr, /Unexpected failure/);
  return stderr;
}

const checkpoint = makeRun('first', 'softmax', 'a'.repeat(64));

describe('export', () => {
  test('writes the newest run in each format, the same bytes each time, and says what', () => {
    for (const [format, out, files] of [
      ['onnx', 'sub/lenet5.onnx', ['sub/lenet5.onnx']],
      ['safetensors', 'weights.safetensors', ['weights.safetensors']],
      ['tfjs', 'web', ['web/weights.bin', 'web/model.json']],
    ] as const) {
      const report = JSON.parse(lockstep(['export', '--format', format, '--out', out, '--json'], folder));
      assert.deepEqual(
        { format: report.format, run: report.run, step: report.step, head: report.head },
        { format, run: 'first', step: 40, head: 'softmax' },
      );
      assert.equal(report.checkpoint, checkpoint);
      assert.deepEqual(
        report.files.map(({ file }: { file: string }) => file),
        files.map((file) => join(folder, file)),
      );
      const again = JSON.parse(lockstep(['export', '--format', format, '--out', `again/${out}`, '--json'], folder));
      for (const [i, { file, sha256, bytes }] of report.files.entries()) {
        const contents = readFileSync(file);
        assert.equal(contents.length, bytes);
        assert.equal(createHash('sha256').update(contents).digest('hex'), sha256);
        assert.equal(again.files[i].sha256, sha256);
      }
    }
    assert.deepEqual(readdirSync(join(folder, 'web')).sort(), ['model.json', 'weights.bin']);
    assert.ok(JSON.parse(readFileSync(join(folder, 'web/model.json'), 'utf8')).userDefinedMetadata.run === 'first');
  });

  test('says so where the digits were drawn', () => {
    const drawn = makeRun('drawn', 'rbf', SYNTHETIC_SHA256);
    const text = lockstep(['export', drawn, '--format', 'onnx', '--out', 'drawn.onnx'], folder);
    assert.match(text, /^data {8}SYNTHETIC digits \(not MNIST\)$/m);
    assert.ok(readFileSync(join(folder, 'drawn.onnx')).includes('SYNTHETIC digits (not MNIST)'));
  });

  test('overwrites nothing', () => {
    writeFileSync(join(folder, 'here'), 'mine');
    mkdirSync(join(folder, 'empty'));
    mkdirSync(join(folder, 'full'));
    writeFileSync(join(folder, 'full/mine'), 'mine');
    const run = 'runs/first';
    assert.match(refused('export', run, '--format', 'onnx', '--out', 'here'), /new file, but .*here exists/);
    assert.match(refused('export', run, '--format', 'safetensors', '--out', 'empty'), /empty exists/);
    assert.match(refused('export', run, '--format', 'tfjs', '--out', 'here'), /here is a file/);
    assert.match(refused('export', run, '--format', 'tfjs', '--out', 'full'), /full holds files already/);
    assert.match(refused('export', run, '--format', 'onnx', '--out', 'here/lenet5.onnx'), /can't be used: ENOTDIR/);
    assert.equal(readFileSync(join(folder, 'here'), 'utf8'), 'mine');
    lockstep(['export', run, '--format', 'tfjs', '--out', 'empty'], folder);
    assert.deepEqual(readdirSync(join(folder, 'full')), ['mine']);
  });

  test('refuses what it cannot use', () => {
    assert.match(refused('export', '--format', 'keras', '--out', 'x'), /Allowed choices are onnx, tfjs, safetensors/);
    assert.match(refused('export', '--format', 'onnx'), /--out/);
    assert.match(refused('export', 'nowhere', '--format', 'onnx', '--out', 'x'), /nowhere doesn't exist/);
    const broken = makeRun('broken', 'softmax', 'a', (weights) => weights.fill(Number.NaN, 900, 1000));
    assert.match(refused('export', broken, '--format', 'onnx', '--out', 'x'), /aren't finite.*c3\.weight, is NaN/);
    const cut = makeRun('cut', 'softmax', 'a');
    truncateSync(cut, 5000);
    assert.match(refused('export', cut, '--format', 'onnx', '--out', 'x'), /isn't a sound checkpoint/);
    assert.ok(!readdirSync(folder).includes('x'));
  });
});

describe('import', () => {
  test('makes a checkpoint that evaluate and train --init take', () => {
    lockstep(['export', checkpoint, '--format', 'safetensors', '--out', 'mine.safetensors'], folder);
    const report = JSON.parse(lockstep(['import', 'mine.safetensors', '--json'], folder));
    assert.deepEqual(
      { checkpoint: report.checkpoint, step: report.step, head: report.head, origin: report.origin },
      { checkpoint: join(folder, 'mine-checkpoint.safetensors'), step: 40, head: 'softmax', origin: 'kept' },
    );
    const found = JSON.parse(
      lockstep(['evaluate', report.checkpoint, '--data', 'synthetic', '--json'], folder),
    ) as Record<string, unknown>;
    assert.equal(found.weightsSha256, report.weightsSha256);
    const flags = ['--iterations', '2', '--workers', '1', '--metrics-port', 'off', '--data', 'synthetic', '--json'];
    lockstep(['train', '--init', report.checkpoint, ...flags, '--out', 'runs/tuned'], folder);
    const manifest = JSON.parse(readFileSync(join(folder, 'runs/tuned/run.json'), 'utf8'));
    assert.equal(manifest.digests.init, report.weightsSha256);
  });

  test('takes an export of what it made', () => {
    const args = ['import', 'mine.safetensors', '--out', 'back/checkpoint.safetensors'];
    assert.match(lockstep(args, folder), /^Next: \S+ \S+main\.js evaluate back\/checkpoint\.safetensors$/m);
    const out = join('back', 'weights.safetensors');
    lockstep(['export', 'back/checkpoint.safetensors', '--format', 'safetensors', '--out', out], folder);
    const [once, twice] = ['mine.safetensors', out].map((file) =>
      decodeSafetensors(readFileSync(join(folder, file)), file),
    );
    // A checkpoint outside of a run doesn't know the run's name.
    assert.deepEqual({ ...twice, metadata: { ...twice?.metadata, run: 'first' } }, once);
  });

  test('refuses what it cannot use', () => {
    assert.match(
      refused('import', 'nowhere.safetensors'),
      /nowhere\.safetensors doesn't exist\. Name a safetensors file/,
    );
    assert.match(refused('import', 'runs'), /runs isn't a file/);
    assert.match(refused('import', checkpoint), /is a checkpoint of Lockstep already/);
    assert.match(refused('import', 'mine.safetensors', '--out', 'here'), /here exists/);
    writeFileSync(join(folder, 'huge.safetensors'), '');
    truncateSync(join(folder, 'huge.safetensors'), 2 ** 33);
    assert.match(refused('import', 'huge.safetensors'), /holds 8589934592 bytes, where at most 67108864/);
  });
});
