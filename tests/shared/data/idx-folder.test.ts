// Folders of IDX files of any size, as --data names them; hostile ones too.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { findAt } from '#src/shared/data/open.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { CONTEXT } from '../../support/find-context.ts';
import { idx, idxLabels } from '../../support/made-set.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-idx-'));
after(() => rm(root, { recursive: true }));

const [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] = MNIST_FILES.map(({ name }) => name) as [
  string,
  string,
  string,
  string,
];
const labels = idxLabels;
const SET: Readonly<Record<string, Buffer>> = {
  [TRAIN_IMAGES]: idx([6, 5, 7], 1),
  [TRAIN_LABELS]: labels(0, 1, 2, 1, 0, 2),
  [TEST_IMAGES]: idx([3, 5, 7], 2),
  [TEST_LABELS]: labels(2, 1, 0),
};

async function folderWith(changed: Readonly<Record<string, Buffer | undefined>> = {}, name = 'set-'): Promise<string> {
  const folder = await mkdtemp(join(root, name));
  for (const [file, bytes] of Object.entries({ ...SET, ...changed })) {
    if (bytes !== undefined) await writeFile(join(folder, file), bytes);
  }
  return folder;
}

const load = async (path: string) => (await findAt(path, CONTEXT)).read(OWN_ARRAYS);

describe('a folder of IDX files', () => {
  test('is a set of its own, named after the folder, plain or packed', async () => {
    const plain = await folderWith();
    const packed = await folderWith({
      [TRAIN_IMAGES]: undefined,
      [`${TRAIN_IMAGES}.gz`]: gzipSync(SET[TRAIN_IMAGES] as Buffer),
      [TEST_LABELS]: undefined,
      [`${TEST_LABELS}.gz`]: gzipSync(SET[TEST_LABELS] as Buffer),
    });
    const digests: string[] = [];
    for (const folder of [plain, packed]) {
      const { shape, read } = await findAt(folder, CONTEXT);
      const form = { maps: 1, height: 5, width: 7, classes: 3, inputs: 'uint8', targets: 'uint16' };
      assert.deepEqual(shape, { ...form, samples: 6, testSamples: 3 });
      const { name, train, test: heldOut, classNames, sha256 } = await read(OWN_ARRAYS);
      assert.equal(name, basename(folder));
      assert.deepEqual(classNames, ['0', '1', '2']);
      assert.deepEqual([...train.inputs], [...(SET[TRAIN_IMAGES] as Buffer).subarray(16)]);
      assert.deepEqual([...train.targets], [0, 1, 2, 1, 0, 2]);
      assert.deepEqual([...heldOut.inputs], [...(SET[TEST_IMAGES] as Buffer).subarray(16)]);
      assert.deepEqual([...heldOut.targets], [2, 1, 0]);
      digests.push(sha256);
    }
    assert.equal(digests[0], digests[1]);
    const other = await load(await folderWith({ [TRAIN_LABELS]: labels(0, 1, 2, 1, 2, 0) }));
    assert.notEqual(other.sha256, digests[0]);
  });

  test("never passes for a set that is known: another name's digest is added", async () => {
    for (const taken of ['mnist', 'synthetic', 'other']) {
      const folder = join(await mkdtemp(join(root, 'taken-')), taken);
      await mkdir(folder);
      for (const [file, bytes] of Object.entries(SET)) await writeFile(join(folder, file), bytes);
      const { name, sha256 } = await load(folder);
      assert.equal(name, `${taken}-${sha256.slice(0, 8)}`);
    }
  });
});

describe('a folder with a dataset.json', () => {
  const FILES = {
    'a.idx': SET[TRAIN_IMAGES],
    'sub/b.idx.gz': gzipSync(labels(1, 2, 3, 2, 1, 3)),
    'c.idx.gz': gzipSync(SET[TEST_IMAGES] as Buffer),
    'd.idx': labels(3, 2, 1),
  };
  const DESCRIPTION = {
    train: { images: 'a.idx', labels: 'sub/b.idx.gz' },
    test: { images: 'c.idx.gz', labels: './d.idx' },
    firstLabel: 1,
  };

  async function described(description: unknown): Promise<string> {
    const folder = await mkdtemp(join(root, 'described-'));
    await mkdir(join(folder, 'sub'));
    for (const [name, bytes] of Object.entries(FILES)) await writeFile(join(folder, name), bytes as Buffer);
    await writeFile(join(folder, 'dataset.json'), JSON.stringify(description));
    return folder;
  }

  test('has files of any names, and classes with names', async () => {
    const classes = ['A', 'B', 'C'];
    const set = await load(await described({ ...DESCRIPTION, classes, name: 'letters', licence: 'none' }));
    assert.deepEqual([set.licence, set.preparation], ['none', undefined]);
    const drawn = await load(await described({ ...DESCRIPTION, preparation: 'ink' }));
    assert.deepEqual(drawn.preparation, { kind: 'ink' });
    assert.deepEqual([set.name, set.classNames, set.height, set.width], ['letters', classes, 5, 7]);
    assert.deepEqual(
      [[...set.train.targets], [...set.test.targets]],
      [
        [0, 1, 2, 1, 0, 2],
        [2, 1, 0],
      ],
    );
    assert.deepEqual([...set.train.inputs], [...(SET[TRAIN_IMAGES] as Buffer).subarray(16)]);
    const marked = await described(DESCRIPTION);
    for (const encoding of ['utf8', 'utf16le'] as const) {
      const text = JSON.stringify({ ...DESCRIPTION, classes, name: 'letters' });
      await writeFile(join(marked, 'dataset.json'), Buffer.from(`\ufeff${text}`, encoding));
      assert.equal((await load(marked)).sha256, set.sha256);
    }
    const plain = await load(await folderWith());
    assert.notEqual(set.sha256, plain.sha256);
    assert.equal((await load(await described(DESCRIPTION))).sha256, plain.sha256);
  });

  test('may have images whose rows and columns are exchanged', async () => {
    const straight = await load(await described(DESCRIPTION));
    const turned = await load(await described({ ...DESCRIPTION, transposed: true }));
    assert.deepEqual([turned.height, turned.width], [7, 5]);
    for (const part of ['train', 'test'] as const) {
      for (const [i, value] of turned[part].inputs.entries()) {
        const [image, row, column] = [Math.floor(i / 35), Math.floor((i % 35) / 5), i % 5];
        assert.equal(value, straight[part].inputs[image * 35 + column * 7 + row]);
      }
    }
  });

  const outside = join(root, 'outside.idx');
  for (const [what, change, message] of [
    [
      'that names a file above it',
      { train: { images: '../outside.idx', labels: 'sub/b.idx.gz' } },
      /no .*outside\.idx in it/,
    ],
    ['that names a file by its whole path', { test: { images: outside, labels: 'd.idx' } }, /no .*outside\.idx in it/],
    ['that names itself', { test: { images: '.', labels: 'd.idx' } }, /there is no \. in it/],
    ['that names a link to a file outside', { test: { images: 'link', labels: 'd.idx' } }, /there is no link in it/],
    ['that names a file that is missing', { test: { images: 'e', labels: 'd.idx' } }, /there is no e in it/],
    ['with a key that is unknown', { shuffle: true }, /Unrecognized key/],
    ['without a part', { test: undefined }, /dataset\.json: test: /],
    ['that names a class twice', { classes: ['A', 'A', 'B'] }, /classes: .*a name twice/],
    [
      'with labels that it does not name',
      { classes: ['A', 'B'] },
      /expected labels from 1 to 2, by dataset\.json, but it has 3/,
    ],
    [
      'with labels below the first one',
      { firstLabel: 2 },
      /expected labels from 2 to 257, by dataset\.json, but it has 1/,
    ],
    ['with a class without samples', { classes: ['A', 'B', 'C', 'D'] }, /none of D/],
  ] as const) {
    test(`${what} is refused`, async () => {
      await writeFile(outside, SET[TEST_IMAGES] as Buffer);
      const folder = await described({ ...DESCRIPTION, ...change });
      await symlink(outside, join(folder, 'link'));
      await assert.rejects(load(folder), (error) => error instanceof DatasetError && message.test(error.message));
    });
  }
});

describe('classes that cannot be learnt', () => {
  for (const [what, train, test_, message] of [
    ['one alone', labels(0, 0, 0, 0, 0, 0), labels(0, 0, 0), /expected two classes or more/],
    [
      'one that no sample has',
      labels(0, 2, 2, 0, 0, 0),
      labels(0, 2, 0),
      /each of the 3 classes, but there are none of 1\./,
    ],
    [
      'one that only tests',
      labels(0, 1, 1, 0, 0, 0),
      labels(0, 1, 2),
      /each of the 3 classes, but there are none of 2\./,
    ],
  ] as const) {
    test(what, async () => {
      const folder = await folderWith({ [TRAIN_LABELS]: train, [TEST_LABELS]: test_ });
      await assert.rejects(load(folder), (error) => error instanceof DatasetError && message.test(error.message));
    });
  }
});

const claims = (shape: readonly number[]): Buffer => {
  const header = Buffer.from(
    idx(
      shape.map(() => 0),
      0,
    ),
  );
  shape.forEach((side, i) => {
    header.writeUInt32BE(side, 4 + 4 * i);
  });
  return header;
};
const big = 2 ** 32 - 1;

const BAD: readonly (readonly [string, Readonly<Record<string, Buffer | undefined>>, RegExp])[] = [
  ['lacks a file', { [TEST_LABELS]: undefined }, /t10k-labels-idx1-ubyte: missing: expected it or/],
  ['has a truncated file', { [TRAIN_IMAGES]: idx([6, 5, 7], 1).subarray(0, 100) }, /is truncated: expected 226 bytes/],
  ['has a file that goes on', { [TEST_IMAGES]: Buffer.concat([idx([3, 5, 7], 1), Buffer.alloc(3)]) }, /holds more/],
  [
    'has a wrong magic number',
    { [TRAIN_LABELS]: Buffer.from('00000d0100000006000000', 'hex') },
    /starts with 00000d01/,
  ],
  ['has an empty file', { [TRAIN_LABELS]: Buffer.alloc(0) }, /is empty/],
  ['has one label less', { [TRAIN_LABELS]: labels(0, 1, 2, 1, 0) }, /expected 6 labels, one for each image/],
  [
    'has labels in place of images',
    { [TRAIN_IMAGES]: labels(1, 2, 3, 4, 5, 6) },
    /an array of 3 dimensions, but it has 1/,
  ],
  ['has test images of another size', { [TEST_IMAGES]: idx([3, 7, 5], 2) }, /expected images of 5x7 as in .* 7x5/],
  ['has no images', { [TEST_IMAGES]: idx([0, 5, 7], 2), [TEST_LABELS]: labels() }, /it holds none/],
  ['has images without pixels', { [TEST_IMAGES]: claims([3, 0, 7]) }, /0x7 pixels/],
  ['claims more than any file', { [TRAIN_IMAGES]: claims([big, big, big]) }, /no file holds/],
  ['claims more than the file', { [TRAIN_IMAGES]: claims([6, big, 60_000]) }, /is truncated/],
  [
    'claims more than a packed file can hold',
    { [TRAIN_IMAGES]: undefined, [`${TRAIN_IMAGES}.gz`]: gzipSync(claims([6, 60_000, 60_000])) },
    /is truncated/,
  ],
  [
    'has a packed file that ends early',
    { [TRAIN_IMAGES]: undefined, [`${TRAIN_IMAGES}.gz`]: gzipSync(idx([6, 5, 7], 1)).subarray(0, 60) },
    /truncated/,
  ],
  ['has a packed file that is none', { [TEST_LABELS]: undefined, [`${TEST_LABELS}.gz`]: labels(1, 2, 3) }, /gzip file/],
  [
    'has a gzip bomb',
    {
      [TEST_IMAGES]: undefined,
      [`${TEST_IMAGES}.gz`]: gzipSync(Buffer.concat([idx([3, 5, 7], 2), Buffer.alloc(1 << 24)])),
    },
    /expected 121 bytes, unpacked, but it holds more/,
  ],
];

for (const [what, files, message] of BAD) {
  test(`a folder that ${what} is refused`, async () => {
    const before = process.memoryUsage().arrayBuffers;
    await assert.rejects(folderWith(files).then(load), (error) => {
      assert.ok(error instanceof DatasetError, String(error));
      assert.equal(error.exitCode, 2);
      assert.match(error.message, message);
      return true;
    });
    assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 25, 'memory was taken for what a header claims');
  });
}

test('a path that leads nowhere, or to neither a file nor a folder, is refused', async () => {
  for (const [path, message] of [
    ['', /--data is empty/],
    [join(root, 'nowhere'), /doesn't exist/],
    ['/dev/null', /is neither a file nor a folder/],
  ] as const) {
    await assert.rejects(load(path), (error) => error instanceof DatasetError && message.test(error.message));
  }
});
