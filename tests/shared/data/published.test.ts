// Sets that are fetched as they are published, and kept packed.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { CIFAR_SHAPE, CIFAR10_CLASSES, CIFAR10_LAYOUT, readCifarArchive } from '#src/shared/data/cifar.js';
import { cacheRoot } from '#src/shared/data/data-folder.js';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { NoMirrorError } from '#src/shared/data/mirrors.js';
import { openDataset } from '#src/shared/data/open.js';
import { imagesShape, publishedSet } from '#src/shared/data/published.js';
import { NAMED_SETS } from '#src/shared/data/registry.js';
import { DatasetError, UsageError } from '#src/shared/util/errors.js';
import { cifar10Files } from '../../support/cifar.ts';
import { sha256 } from '../../support/made-set.ts';
import { refusing, serve } from '../../support/mirror.ts';
import { tarOf } from '../../support/tar.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-published-'));
after(() => rm(root, { recursive: true }));

const ARCHIVE = gzipSync(tarOf(cifar10Files()));
const FILE = { name: 'small.tar.gz', bytes: ARCHIVE.length, sha256: sha256(ARCHIVE) };

/** An entry as that of CIFAR-10, of a small archive. */
const setAt = (...mirrors: readonly string[]) =>
  publishedSet({
    name: 'small',
    title: 'Small',
    licence: 'none',
    classNames: CIFAR10_CLASSES,
    shape: imagesShape(CIFAR_SHAPE, CIFAR10_CLASSES, [10, 4]),
    mirrors,
    files: [FILE],
    read: ([archive]) => readCifarArchive(archive as Buffer, CIFAR10_LAYOUT),
  });

async function surroundings() {
  const env: NodeJS.ProcessEnv = { XDG_CACHE_HOME: await mkdtemp(join(root, 'cache-')) };
  const said: string[] = [];
  const options = { env, arrays: OWN_ARRAYS, print: (line: string) => said.push(line), show: () => {} };
  return { env, said, options, cache: cacheRoot(env) };
}

describe('a published set', () => {
  test('is fetched once, and then opened from the cache', async (t) => {
    const mirror = await serve(t, (_, response) => response.end(ARCHIVE));
    const { options, said, cache } = await surroundings();
    const set = setAt(await refusing(), mirror.url);
    const first = await set.open(options);
    assert.deepEqual([first.name, first.classNames, first.train.count], ['small', CIFAR10_CLASSES, 10]);
    assert.match(said[0] ?? '', /^Passed over http.*ECONNREFUSED/);
    assert.match(said[1] ?? '', /^Fetched small\.tar\.gz \(.* KB\) from http/);
    const again = await set.open(options);
    assert.deepEqual(again, first);
    assert.deepEqual(mirror.requests, ['/small.tar.gz']);
    assert.deepEqual(await readdir(join(cache, 'datasets')), [`${first.sha256}.safetensors`]);
  });

  test('is fetched from the folder of its name at $LOCKSTEP_DATA_MIRRORS', async (t) => {
    const mirror = await serve(t, (_, response) => response.end(ARCHIVE));
    const { options, env } = await surroundings();
    const set = setAt(await refusing());
    await set.open({ ...options, env: { ...env, LOCKSTEP_DATA_MIRRORS: `${mirror.url}sets` } });
    assert.deepEqual(mirror.requests, ['/sets/small/small.tar.gz']);
    const wrong = { ...env, LOCKSTEP_DATA_MIRRORS: 'ftp://a', XDG_CACHE_HOME: join(root, 'none') };
    await assert.rejects(set.open({ ...options, env: wrong }), (error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /^LOCKSTEP_DATA_MIRRORS .*"ftp:\/\/a"/);
      return true;
    });
  });

  test('of other bytes, or of too many, is not taken and not kept', async (t) => {
    const altered = Buffer.from(ARCHIVE);
    altered[40] = (altered[40] ?? 0) ^ 1;
    for (const [body, problem] of [
      [altered, /sent other bytes: expected the SHA-256/],
      [ARCHIVE.subarray(1), /sent other bytes/],
      [Buffer.concat([ARCHIVE, Buffer.alloc(1)]), /sent more than the \d+ bytes allowed/],
    ] as const) {
      const mirror = await serve(t, (_, response) => response.end(body));
      const { options, cache } = await surroundings();
      await assert.rejects(setAt(mirror.url).open(options), (error) => {
        assert.ok(error instanceof NoMirrorError);
        assert.match(error.message, problem);
        return true;
      });
      assert.equal(await stat(cache).catch(() => undefined), undefined);
    }
  });

  test('is made again if the cache holds it damaged', async (t) => {
    const mirror = await serve(t, (_, response) => response.end(ARCHIVE));
    const { options, said, cache } = await surroundings();
    const set = setAt(mirror.url);
    const first = await set.open(options);
    const file = join(cache, 'datasets', `${first.sha256}.safetensors`);
    const whole = await readFile(file);
    for (const damaged of [whole.with(-1, 1 + (whole.at(-1) as number)), whole.subarray(0, 999), Buffer.alloc(0)]) {
      await writeFile(file, damaged);
      assert.deepEqual(await set.open(options), first);
      assert.ok((await readFile(file)).equals(whole));
    }
    assert.equal(mirror.requests.length, 4);
    assert.equal(said.filter((line) => line.includes('is damaged; it is made again')).length, 1);
  });

  test('is used if the cache cannot be written', async (t) => {
    const mirror = await serve(t, (_, response) => response.end(ARCHIVE));
    const { options, said, env } = await surroundings();
    await writeFile(join(env.XDG_CACHE_HOME as string, 'lockstep'), 'a file in the way');
    const { train, sha256: digest } = await setAt(mirror.url).open(options);
    assert.deepEqual([train.count, digest.length], [10, 64]);
    assert.match(said.at(-1) ?? '', /^The cache can't keep small \(/);
  });

  test('that a checkpoint was trained on never becomes another one', async () => {
    const { options, env } = await surroundings();
    const mirrors = { ...env, LOCKSTEP_DATA_MIRRORS: await refusing(), LOCKSTEP_MNIST_MIRRORS: await refusing() };
    const trained = { ...options, env: mirrors, trainedOn: 'a'.repeat(64) };
    // By its name in run.json, and by its digest alone.
    await assert.rejects(openDataset({ ...trained, recorded: { data: 'kmnist' } }), (error) => {
      assert.ok(error instanceof NoMirrorError);
      assert.match(error.message, /No mirror delivered train-images-idx3-ubyte\.gz. Tried http.*kmnist\//);
      return true;
    });
    await assert.rejects(openDataset(trained), DatasetError);
  });
});

test('the entries are well-formed', () => {
  for (const { name, shape, classNames } of NAMED_SETS) {
    assert.equal(classNames.length, shape.classes, name);
    assert.ok(shape.samples >= 50_000 && shape.testSamples === 10_000, name);
  }
});
