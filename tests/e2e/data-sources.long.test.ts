// Every kind of data set trains, and its runs go on without naming it again.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { packedPieces } from '#src/shared/data/pack.js';
import { cifar10Files } from '../support/cifar.ts';
import { madeDataset } from '../support/made-images.ts';
import { idx, idxLabels } from '../support/made-set.ts';
import { bytesOf, npyOf } from '../support/npy.ts';
import { lockstep, manifestOf } from '../support/program.ts';
import { zipOf } from '../support/zip.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-data-sources-'));
after(() => rmSync(folder, { recursive: true }));
const env = { XDG_CACHE_HOME: join(folder, 'cache'), MNIST_DIR: '' };
const FLAGS = ['--batch', '16', '--workers', '1', '--schedule', 'constant', '--metrics-port', 'off', '--json'];

function succeed(...args: string[]): { stdout: string; stderr: string } {
  const { status, stdout, stderr } = lockstep(args, { more: env });
  assert.equal(status, 0, stderr);
  return { stdout, stderr };
}

function folderOf(name: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(path, file), bytes);
  return path;
}

function fileOf(name: string, ...pieces: readonly Uint8Array[]): string {
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(pieces));
  return path;
}

const COUNT = 24;
const classes = (count: number) => Array.from({ length: count }, (_, i) => i % 3);
const x = (count: number, shape: readonly number[]) =>
  npyOf(
    '<f4',
    [count, ...shape],
    bytesOf(Float32Array.from({ length: shape.reduce((a, b) => a * b, count) }, (_, i) => Math.sin(i))),
  );
const labels = (count: number) => npyOf('|u1', [count, 1], Uint8Array.from(classes(count)));
const prices = (count: number) =>
  npyOf('<f8', [count], bytesOf(Float64Array.from(classes(count), (c) => c / 2 + 0.25)));
const arrays = (shape: readonly number[], y: (count: number) => Buffer) => ({
  'x_train.npy': x(COUNT, shape),
  'y_train.npy': y(COUNT),
  'x_test.npy': x(6, shape),
  'y_test.npy': y(6),
});

const KINDS: readonly (readonly [what: string, path: string, model: string])[] = [
  [
    'IDX files that a dataset.json names',
    folderOf('letters', {
      'a.gz': gzipSync(idx([COUNT, 9, 8], 1)),
      b: idxLabels(...classes(COUNT)),
      c: idx([6, 9, 8], 2),
      d: idxLabels(...classes(6)),
      'dataset.json': JSON.stringify({
        train: { images: 'a.gz', labels: 'b' },
        test: { images: 'c', labels: 'd' },
        classes: ['A', 'B', 'C'],
        transposed: true,
      }),
    }),
    'resnet8',
  ],
  ["CIFAR's binary files", folderOf('cifar', cifar10Files()), 'resnet8'],
  ['an archive of pictures', fileOf('pictures.npz', zipOf(arrays([8, 8, 3], labels), { isDeflated: true })), 'resnet8'],
  ['a folder of features', folderOf('features', arrays([5], labels)), 'mlp'],
  ['an archive of numbers to be told', fileOf('prices.npz', zipOf(arrays([5], prices))), 'mlp'],
  ['a packed data set', fileOf('blobs.safetensors', ...packedPieces(madeDataset(60, 20))), 'lenet5'],
];

describe('a run on', () => {
  for (const [what, path, model] of KINDS) {
    it(`${what} takes the model of its shape, and is resumed and evaluated without its data`, () => {
      const [whole, half] = [`${path}-whole`, `${path}-half`];
      const train = ['train', ...FLAGS, '--data', path];
      const { stdout, stderr } = succeed(...train, '--iterations', '4', '--out', whole);
      assert.match(stderr, new RegExp(`^Training ${model} on `, 'm'));
      assert.equal(/^Model: /m.test(stderr), model !== 'lenet5');
      succeed(...train, '--iterations', '2', '--out', half);
      renameSync(path, `${path}.moved`);
      const { dataset, digests } = manifestOf(whole);
      const again = succeed('train', '--resume', half, '--iterations', '4', '--metrics-port', 'off', '--json');
      assert.match(again.stderr, new RegExp(`^Data: ${dataset}, `, 'm'));
      const [first, resumed] = [stdout, again.stdout].map((text) => JSON.parse(text));
      assert.deepEqual(
        [resumed.weightsSha256, resumed.chain, resumed.dataset],
        [first.weightsSha256, first.chain, dataset],
      );
      const evaluated = JSON.parse(succeed('evaluate', half, '--json').stdout);
      assert.deepEqual([evaluated.dataset, evaluated.testLoss], [dataset, first.testLoss]);
      assert.equal(manifestOf(half).digests.dataset, digests.dataset);
      assert.match(succeed('verify', half).stdout, /All that was compared is the same/);
    });
  }
});
