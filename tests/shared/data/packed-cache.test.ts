// The user's cache of packed sets: what is made once, and what runs are resumed from.
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { cacheRoot } from '#src/shared/data/data-folder.js';
import { type Contents, OWN_ARRAYS, shapeOf } from '#src/shared/data/dataset.js';
import { identify } from '#src/shared/data/identify.js';
import { openDataset } from '#src/shared/data/open.js';
import { findKept, keepDataset, openPacked } from '#src/shared/data/packed-cache.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { DatasetError } from '#src/shared/util/errors.js';
import type { Print } from '#src/shared/util/notice.js';
import { fileOperations } from '#src/shared/util/replace-file.js';
import { madeDataset } from '../../support/made-images.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-packed-cache-'));
after(() => rm(root, { recursive: true }));

async function surroundings() {
  const env: NodeJS.ProcessEnv = { XDG_CACHE_HOME: await mkdtemp(join(root, 'cache-')) };
  const said: string[] = [];
  const print = (line: string) => void said.push(line);
  return { env, said, context: { env, print, reading: {} }, folder: join(cacheRoot(env), 'datasets') };
}

const { name: _, sha256: __, ...MADE } = madeDataset(40, 20);
const CONTENTS: Contents = { ...MADE, preparation: { kind: 'pictures', resize: 'contain' } };
const dataset = identify(CONTENTS, 'blobs');

describe('a set that is made once', () => {
  test('is not made again by the same key', async () => {
    const { context, folder } = await surroundings();
    let made = 0;
    const open = async (key: string) => {
      const make = async () => {
        made++;
        return CONTENTS;
      };
      return openPacked(context, key, make, '/pictures/blobs');
    };
    for (const key of ['one', 'one', 'another', 'one']) {
      const { shape, read } = await open(key);
      assert.deepEqual(shape, shapeOf(CONTENTS));
      const { sha256, ...contents } = await read(OWN_ARRAYS);
      assert.deepEqual([contents, sha256], [CONTENTS, dataset.sha256]);
    }
    assert.equal(made, 2);
    assert.deepEqual(await readdir(folder), [`${dataset.sha256}.safetensors`]);
  });

  test('is told of in the same words whenever it is opened', async () => {
    const { context } = await surroundings();
    const printed: unknown[] = [];
    const print: Print = (...line) => printed.push(line);
    const notice = ['2 of 240 pictures are left out', 'warn'] as const;
    for (let i = 0; i < 2; i++) {
      const make = async (tell: Print) => {
        tell(...notice);
        return CONTENTS;
      };
      await (await openPacked({ ...context, print }, 'told', make, '/pictures/blobs')).read(OWN_ARRAYS);
    }
    assert.deepEqual(printed, [notice, notice]);
  });

  test('that cannot be made leaves nothing', async () => {
    const { context, env } = await surroundings();
    const failing = openPacked(context, 'key', () => Promise.reject(new DatasetError('no pictures')), 'x');
    await assert.rejects(failing, /no pictures/);
    assert.equal(await stat(cacheRoot(env)).catch(() => undefined), undefined);
  });
});

describe('what a run is trained on', () => {
  test('is kept from shared memory, for its owner alone, and found by its digest', async () => {
    const { context, env, folder, said } = await surroundings();
    const memory = new SharedMemory();
    const held = { inputs: memory.hold(dataset.train.inputs), targets: memory.hold(dataset.train.targets) };
    await keepDataset({ ...dataset, train: { ...dataset.train, ...held } }, context);
    const file = join(folder, `${dataset.sha256}.safetensors`);
    assert.equal((await stat(file)).mode & 0o077, 0);
    const found = await findKept(dataset.sha256, env);
    assert.deepEqual((await found?.read(OWN_ARRAYS))?.train, dataset.train);
    const { mtimeMs } = await stat(file);
    await keepDataset(dataset, context);
    assert.equal((await stat(file)).mtimeMs, mtimeMs);
    assert.deepEqual(said, []);
  });

  test('is opened for its checkpoints without --data, under the name that its run had', async () => {
    const { context, env } = await surroundings();
    await keepDataset(dataset, context);
    const said: string[] = [];
    const open = (recorded: string) => {
      const options = { env: { ...env, MNIST_DIR: join(root, 'nowhere') }, print: (line: string) => said.push(line) };
      return openDataset({ ...options, trainedOn: dataset.sha256, recorded: { name: recorded } });
    };
    assert.deepEqual(await open('blobs'), dataset);
    assert.match(said[0] ?? '', /^Data: blobs, 40 training and 20 test samples/);
    // A run.json may be anybody's.
    assert.equal((await open('mnist')).name, `mnist-${dataset.sha256.slice(0, 8)}`);
  });

  test('enters whole or not at all', async () => {
    const { context, folder, said } = await surroundings();
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    await keepDataset(dataset, context, { ...fileOperations, sync: () => Promise.reject(full) });
    assert.deepEqual(await readdir(folder), []);
    assert.match(
      said[0] ?? '',
      /^The cache can't keep the data set \(no space left\)\. To resume the run, name it again/,
    );
  });

  test('is refused if it was altered, and passed over if it is no packed set', async () => {
    const { context, env, folder } = await surroundings();
    await keepDataset(dataset, context);
    const file = join(folder, `${dataset.sha256}.safetensors`);
    const other = identify({ ...CONTENTS, classNames: CONTENTS.classNames.toReversed() }, 'blobs');
    await keepDataset(other, context);
    await copyFile(join(folder, `${other.sha256}.safetensors`), file);
    const found = await findKept(dataset.sha256, env);
    await assert.rejects(
      async () => found?.read(OWN_ARRAYS),
      (error) => {
        assert.ok(error instanceof DatasetError);
        assert.match(error.message, /its contents were altered\. Remove it/);
        return true;
      },
    );
    await writeFile(file, 'noise');
    assert.equal(await findKept(dataset.sha256, env), undefined);
    for (const digest of ['unknown', '../x', '']) assert.equal(await findKept(digest, env), undefined);
  });

  test('goes when there is too much, the longest unused first', async () => {
    const { context, folder } = await surroundings();
    await keepDataset(dataset, context);
    // Files of 6 GiB without blocks on the disk.
    for (const [i, name] of ['oldest', 'older', 'newer'].entries()) {
      const path = join(folder, name);
      await writeFile(path, '');
      await truncate(path, 6 * 2 ** 30);
      await utimes(path, 1000 + i, 1000 + i);
    }
    const other = identify({ ...CONTENTS, classNames: CONTENTS.classNames.toReversed() }, 'blobs');
    await keepDataset(other, context);
    assert.deepEqual(
      (await readdir(folder)).sort(),
      [`${dataset.sha256}.safetensors`, `${other.sha256}.safetensors`, 'newer', 'older'].sort(),
    );
  });
});
