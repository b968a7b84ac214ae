// The binary files of CIFAR-10 and CIFAR-100 in a folder, and in their archive.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CIFAR10_CLASSES, CIFAR10_LAYOUT, readCifarArchive } from '#src/shared/data/cifar.js';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { findAt } from '#src/shared/data/open.js';
import { readTar } from '#src/shared/data/tar.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { cifar10Files, cifarImage, cifarRecords } from '../../support/cifar.ts';
import { CONTEXT } from '../../support/find-context.ts';
import { tarOf } from '../../support/tar.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-cifar-'));
after(() => rm(root, { recursive: true }));

async function folderOf(files: Readonly<Record<string, Uint8Array | undefined>>): Promise<string> {
  const folder = await mkdtemp(join(root, 'set-'));
  for (const [name, bytes] of Object.entries(files))
    if (bytes !== undefined) await writeFile(join(folder, name), bytes);
  return folder;
}

const load = async (path: string) => (await findAt(path, CONTEXT)).read(OWN_ARRAYS);

const IMAGES = Array.from({ length: 10 }, (_, i) => [...cifarImage(i)]).flat();

describe('a folder of binary files', () => {
  test('of CIFAR-10', async () => {
    const { train, test: heldOut, maps, height, width, classNames } = await load(await folderOf(cifar10Files()));
    assert.deepEqual([maps, height, width, classNames], [3, 32, 32, CIFAR10_CLASSES]);
    assert.deepEqual([...train.targets], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.deepEqual([...train.inputs], IMAGES);
    assert.deepEqual([[...heldOut.targets], heldOut.count], [[9, 0, 3, 3], 4]);
    assert.deepEqual([...heldOut.inputs.subarray(3072, 6144)], [...cifarImage(51)]);
  });

  test('of CIFAR-100, by the fine classes', async () => {
    const names = ['apple', 'aquarium fish', 'baby'];
    const files = {
      'train.bin': cifarRecords(
        [
          [4, 2],
          [1, 0],
          [9, 1],
        ],
        0,
      ),
      'test.bin': cifarRecords([[0, 1]], 7),
      'fine_label_names.txt': Buffer.from(`\ufeff${names.join('\n')}\n`),
    };
    const { train, test: heldOut, classNames } = await load(await folderOf(files));
    assert.deepEqual([classNames, [...train.targets], [...heldOut.targets]], [names, [2, 0, 1], [1]]);
    assert.deepEqual([...train.inputs.subarray(3072)], IMAGES.slice(3072, 3 * 3072));
  });

  const files = cifar10Files();
  for (const [what, changed, message] of [
    ['lacks a file', { 'data_batch_3.bin': undefined }, /data_batch_3\.bin: missing/],
    ['lacks the names', { 'batches.meta.txt': undefined }, /batches\.meta\.txt: expected the names/],
    ['has half a record', { 'test_batch.bin': files['test_batch.bin']?.subarray(1) }, /whole records of 3073 bytes/],
    ['has an empty file', { 'data_batch_1.bin': Buffer.alloc(0) }, /whole records of 3073 bytes, but it has 0/],
    [
      'has a class without a name',
      { 'test_batch.bin': cifarRecords([[10]], 0) },
      /of class 10, but batches\.meta\.txt names 10/,
    ],
    ['names a class twice', { 'batches.meta.txt': Buffer.from('a\nb\na\n') }, /a name twice/],
  ] as const) {
    test(`that ${what} is refused`, async () => {
      await assert.rejects(folderOf({ ...files, ...changed }).then(load), (error) => {
        assert.ok(error instanceof DatasetError, String(error));
        assert.match(error.message, message);
        return true;
      });
    });
  }
});

const inFolder = (files: Readonly<Record<string, Uint8Array>>) =>
  Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`cifar-10-batches-bin/${name}`, bytes]));

describe('an archive', () => {
  test('has the samples of its files', async () => {
    const { train, test: heldOut } = await readCifarArchive(gzipSync(tarOf(inFolder(cifar10Files()))), CIFAR10_LAYOUT);
    assert.deepEqual([[...train.inputs], train.count], [IMAGES, 10]);
    assert.deepEqual([...heldOut.targets], [9, 0, 3, 3]);
  });

  test('without a file, or that is cut off, is refused', async () => {
    const { 'test_batch.bin': _, ...files } = cifar10Files();
    await assert.rejects(readCifarArchive(gzipSync(tarOf(inFolder(files))), CIFAR10_LAYOUT), /has no test_batch\.bin/);
    const whole = tarOf(inFolder(cifar10Files()));
    await assert.rejects(readCifarArchive(gzipSync(whole.subarray(0, 9000)), CIFAR10_LAYOUT), /it ends within a file/);
    const damaged = Buffer.from(whole);
    damaged[130] = 0x38;
    await assert.rejects(readCifarArchive(gzipSync(damaged), CIFAR10_LAYOUT), /a header of it is damaged/);
  });

  test('is read alike in pieces of any length', async () => {
    const files = {
      a: Buffer.from('first'),
      'b/c': Buffer.alloc(1000, 7),
      empty: Buffer.alloc(0),
      d: Buffer.alloc(512, 9),
    };
    const archive = tarOf(files);
    for (const length of [1, 511, 512, 513, archive.length]) {
      const found: Record<string, Uint8Array> = {};
      const pieces = Array.from({ length: Math.ceil(archive.length / length) }, (_, i) =>
        archive.subarray(i * length, (i + 1) * length),
      );
      const take = (name: string, bytes: number) => {
        found[name] = new Uint8Array(bytes);
        return name === 'd' ? undefined : found[name];
      };
      await readTar(Readable.from(pieces), take, 'it');
      assert.deepEqual(
        Object.entries(found).map(([name, bytes]) => [name, [...bytes]]),
        Object.entries({ ...files, d: Buffer.alloc(512) }).map(([name, bytes]) => [name, [...bytes]]),
      );
    }
  });
});
