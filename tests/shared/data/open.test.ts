import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { enterCache } from '#src/shared/data/cache.js';
import { cacheFolder } from '#src/shared/data/data-folder.js';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { digestOf } from '#src/shared/data/digest.js';
import { type FindOptions, openDataset } from '#src/shared/data/open.js';
import { SYNTHETIC_SHA256 } from '#src/shared/data/sources/synthetic.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { fileOperations } from '#src/shared/util/replace-file.js';
import { BYTES, FILES, idx, idxLabels } from '../../support/made-set.ts';
import { deliver, PACKED, refusing, serve } from '../../support/mirror.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-open-'));
after(() => rm(root, { recursive: true }));

const [IMAGES, LABELS] = FILES;
const NAMES = FILES.map(({ name }) => `${name}.gz`).sort();

/** An environment with an empty cache of its own, and all that `openDataset` is given and says in it. */
async function surroundings(mirrors: string, more: Partial<FindOptions> = {}) {
  const env = { XDG_CACHE_HOME: await mkdtemp(join(root, 'cache-')), LOCKSTEP_MNIST_MIRRORS: mirrors };
  const said: string[] = [];
  const shown: string[] = [];
  const options: FindOptions = {
    env,
    files: FILES,
    print: (line) => said.push(line),
    show: (text) => shown.push(text),
    ...more,
  };
  return { options, env, said, shown, cache: cacheFolder(env) };
}

const SYNTHETIC_LINE =
  'Data: SYNTHETIC digits (not MNIST), 60,000 training and 10,000 test samples of 1x28x28 in 10 classes, ' +
  `SHA-256 ${SYNTHETIC_SHA256.slice(0, 16)}…, licence: Lockstep's own.`;

/** What is said of the made set. */
function lineOf(name: string, classes: number, digest: string): RegExp {
  const counts = '5 training and 4 test samples of 1x3x2';
  return new RegExp(`^Data: ${name}, ${counts} in ${classes} classes, SHA-256 ${digest.slice(0, 16)}…`);
}

async function folderWithSet(): Promise<string> {
  const folder = await mkdtemp(join(root, 'set-'));
  for (const [i, { name }] of FILES.entries()) await writeFile(join(folder, name), BYTES[i] as Buffer);
  return folder;
}

describe('a cache without the set', () => {
  test('is filled from a mirror, once', async (t) => {
    const mirror = await serve(t, deliver);
    const { options, said, shown, cache } = await surroundings(mirror.url);
    const { name, train, test: heldOut } = await openDataset(options);
    assert.equal(name, 'mnist');
    assert.deepEqual([...train.inputs], [...BYTES[0].subarray(16)]);
    assert.deepEqual([...heldOut.targets], [...BYTES[3].subarray(8)]);
    assert.deepEqual((await readdir(cache)).sort(), NAMES);
    const fetched = said.slice(0, -1).map((line) => line.replace(/\d+\.\d KB/, 'SIZE'));
    assert.deepEqual(
      fetched,
      FILES.map((file) => `Fetched ${file.name} (SIZE) from ${mirror.url}`),
    );
    assert.match(said.at(-1) ?? '', lineOf('mnist', 10, digestOf(FILES)));
    assert.ok(shown.some((text) => text.startsWith(`Fetching ${IMAGES.name}: 100 % of `)));
    assert.equal(shown.at(-1), '');

    await openDataset(options);
    assert.equal(mirror.requests.length, FILES.length);
  });

  test('is filled by two at once', async (t) => {
    const waiting = new Map<string, () => void>();
    const mirror = await serve(t, (request, response) => {
      const url = request.url ?? '';
      const answerFirst = waiting.get(url);
      // Whoever comes first waits for the second, so that both have the same file on its way.
      if (answerFirst === undefined) waiting.set(url, () => deliver(request, response));
      else {
        answerFirst();
        deliver(request, response);
      }
    });
    const { options, cache } = await surroundings(mirror.url);
    const [one, other] = await Promise.all([openDataset(options), openDataset(options)]);
    assert.equal(mirror.requests.length, 2 * FILES.length);
    assert.deepEqual(one, other);
    assert.deepEqual((await readdir(cache)).sort(), NAMES);
    for (const name of NAMES) assert.ok((await readFile(join(cache, name))).equals(PACKED.get(`/${name}`) as Buffer));
  });

  test('says which mirrors were passed over', async (t) => {
    const mirror = await serve(t, deliver);
    const { options, said } = await surroundings(`${await refusing()},${mirror.url}`);
    await openDataset(options);
    assert.match(said[0] ?? '', /^Passed over http:.* ECONNREFUSED/);
    assert.equal(said.length, 1 + FILES.length + 1);
  });

  test('that cannot be written is no obstacle', async (t) => {
    const mirror = await serve(t, deliver);
    const { options, env, said } = await surroundings(mirror.url);
    await writeFile(join(env.XDG_CACHE_HOME, 'lockstep'), 'a file in the way');
    const { train } = await openDataset(options);
    assert.deepEqual([...train.targets], [...BYTES[1].subarray(8)]);
    assert.equal(said.filter((line) => line.startsWith("It can't be kept in ")).length, FILES.length);
  });
});

describe('a damaged file in the cache is fetched again', () => {
  for (const [what, name, bytes] of [
    ['a packed one', `${LABELS.name}.gz`, gzipSync(BYTES[1]).subarray(0, 20)],
    ['an unpacked one, which comes first', LABELS.name, BYTES[1].subarray(0, 9)],
  ] as const) {
    test(what, async (t) => {
      const mirror = await serve(t, deliver);
      const { options, said, cache } = await surroundings(mirror.url);
      await openDataset(options);
      said.length = 0;
      await writeFile(join(cache, name), bytes);
      const { train } = await openDataset(options);
      assert.deepEqual([...train.targets], [...BYTES[1].subarray(8)]);
      assert.ok(said[0]?.startsWith(`${LABELS.name} in `) && said[0].includes('is damaged'), said[0]);
      assert.equal(mirror.requests.length, FILES.length + 1);
      assert.deepEqual((await readdir(cache)).sort(), NAMES);
    });
  }
});

test('a file enters the cache whole or not at all', async () => {
  const folder = join(root, 'entered');
  const final = join(folder, NAMES[0] as string);
  const body = Buffer.from('contents');
  const file = { ...IMAGES, name: (NAMES[0] as string).slice(0, -'.gz'.length) };
  const steps: string[] = [];
  const watched = {
    ...fileOperations,
    sync: async (path: string) => {
      steps.push('sync');
      assert.equal(existsSync(final), false);
      assert.ok((await readFile(path)).equals(body));
    },
    rename: async (from: string, to: string) => {
      steps.push('rename');
      await fileOperations.rename(from, to);
    },
  };
  await enterCache(folder, file, { body, packed: true }, watched);
  assert.deepEqual(steps, ['sync', 'rename']);
  assert.deepEqual(await readdir(folder), [NAMES[0]]);

  const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  const failing = { ...fileOperations, sync: () => Promise.reject(full) };
  await assert.rejects(enterCache(folder, LABELS, { body, packed: true }, failing), full);
  assert.deepEqual(await readdir(folder), [NAMES[0]]);
});

describe('a folder that a person names', () => {
  test('is used without a look at the cache or a mirror, --data before $MNIST_DIR', async (t) => {
    const mirror = await serve(t, deliver);
    const { options, env, said, cache } = await surroundings(mirror.url);
    const [good, wrong] = [await folderWithSet(), await mkdtemp(join(root, 'empty-'))];
    await openDataset({ ...options, env: { ...env, MNIST_DIR: good } });
    await openDataset({ ...options, flag: good, env: { ...env, MNIST_DIR: wrong } });
    for (const named of [
      { flag: wrong, env: { ...env, MNIST_DIR: good } },
      { flag: undefined, env: { ...env, MNIST_DIR: wrong } },
      { flag: join(root, 'nowhere'), env },
    ]) {
      await assert.rejects(openDataset({ ...options, ...named }), DatasetError);
    }
    assert.deepEqual([mirror.requests, existsSync(cache)], [[], false]);
    for (const [i, name] of ['mnist', basename(good)].entries())
      assert.match(said[i] ?? '', lineOf(name, 3, '[0-9a-f]{16}'));
    assert.equal(said.length, 2);
  });
});

describe('$MNIST_DIR', () => {
  const others = [idx([5, 3, 2], 9), idxLabels(1, 1, 0, 1, 0), idx([4, 3, 2], 8), idxLabels(1, 0, 0, 1)] as const;

  async function folderOf(bytes: readonly Buffer[]): Promise<string> {
    const folder = await mkdtemp(join(root, 'variable-'));
    for (const [i, { name }] of FILES.entries()) await writeFile(join(folder, name), bytes[i] as Buffer);
    return folder;
  }

  test('with another set in files of these names is that set, and a warning says so', async () => {
    const { options, env, said } = await surroundings(await refusing());
    const folder = await folderOf(others);
    const own = { ...options, env: { ...env, MNIST_DIR: folder } };
    const { name, train } = await openDataset(own);
    assert.deepEqual([name, [...train.targets]], [basename(folder), [1, 1, 0, 1, 0]]);
    assert.match(
      said.join(),
      /^\$MNIST_DIR doesn't hold MNIST, but another data set .*5 training and 4 test samples of 1x3x2/,
    );
    // Whoever names MNIST gets nothing else.
    await assert.rejects(
      openDataset({ ...own, flag: 'mnist' }),
      /train-images-idx3-ubyte: altered: expected the SHA-256/,
    );
  });

  test('with some files of MNIST and one of other contents is damaged', async () => {
    const { options, env } = await surroundings(await refusing());
    for (const i of [0, 1, 2, 3] as const) {
      const own = { ...env, MNIST_DIR: await folderOf(BYTES.with(i, others[i])) };
      await assert.rejects(openDataset({ ...options, env: own }), (error) => {
        assert.ok(error instanceof DatasetError);
        assert.ok(error.message.includes(`${FILES[i].name}: altered`), error.message);
        return true;
      });
    }
  });
});

test('MNIST by its name never becomes synthetic digits, and needs no $MNIST_DIR', async (t) => {
  const mirror = await serve(t, deliver);
  const { options, said } = await surroundings(mirror.url, { flag: 'mnist' });
  assert.equal((await openDataset(options)).name, 'mnist');
  assert.ok(
    said.every((line) => /^(Fetched|Data: mnist,) /.test(line)),
    said.join(),
  );
  const without = await surroundings(await refusing(), { flag: 'mnist' });
  await assert.rejects(openDataset(without.options), /No mirror delivered train-images-idx3-ubyte/);
});

test('the folder that a run.json names is never opened, and named where no data can be had', async (t) => {
  const mirror = await serve(t, deliver);
  const fresh = await surroundings(mirror.url, { trainedOn: 'another' });
  assert.equal((await openDataset({ ...fresh.options, recorded: { data: await folderWithSet() } })).name, 'mnist');
  // From the mirror, although the folder has them.
  assert.equal(mirror.requests.length, FILES.length);
  const { options } = await surroundings(await refusing(), { trainedOn: 'another' });
  await assert.rejects(openDataset({ ...options, recorded: { data: '/net/elsewhere/mnist' } }), (error) => {
    assert.ok(error instanceof DatasetError);
    assert.match(error.message, / named --data \/net\/elsewhere\/mnist\./);
    return true;
  });
});

describe('the synthetic set', () => {
  test('is used where no mirror delivers, and every reason is said', async () => {
    const mirrors = [await refusing(), await refusing()];
    const allocated: number[] = [];
    const { options, said, cache } = await surroundings(mirrors.join());
    const { files: _, ...real } = options;
    const bytes = (length: number): Uint8Array => {
      allocated.push(length);
      return new Uint8Array(length);
    };
    const { name, sha256 } = await openDataset({ ...real, arrays: { ...OWN_ARRAYS, bytes } });
    assert.deepEqual([name, sha256], ['synthetic', SYNTHETIC_SHA256]);
    assert.match(said[0] ?? '', /^WARNING: .*fetched \(the connection was refused\).*SYNTHETIC/);
    assert.equal(said.at(-1), SYNTHETIC_LINE);
    for (const part of ['--data', '$HTTPS_PROXY', '$MNIST_DIR', cache, IMAGES.name, ...mirrors, 'ECONNREFUSED']) {
      assert.ok(said.join('\n').includes(part), part);
    }
    // Shared memory is never freed: the array for the images that didn't come is used again.
    assert.equal(allocated.length, 2);
  });

  test('is drawn at once where --data says so, or where a checkpoint was trained on it', async (t) => {
    const mirror = await serve(t, deliver);
    const { options, env, said } = await surroundings(mirror.url);
    const small = { ...options, arrays: OWN_ARRAYS };
    const named = { ...small, flag: 'synthetic', env: { ...env, MNIST_DIR: join(root, 'nowhere') } };
    assert.equal((await openDataset(named)).name, 'synthetic');
    assert.equal((await openDataset({ ...small, trainedOn: SYNTHETIC_SHA256 })).name, 'synthetic');
    assert.equal(said.filter((line) => line.includes('SYNTHETIC')).length, 2);
    assert.deepEqual(mirror.requests, []);
    assert.equal((await openDataset({ ...small, trainedOn: 'another' })).name, 'mnist');
  });

  test('is never drawn for a checkpoint that was trained on other digits', async () => {
    const { options } = await surroundings(await refusing());
    await assert.rejects(openDataset({ ...options, trainedOn: 'another' }), (error: Error) => {
      assert.ok(error instanceof DatasetError);
      assert.match(error.message, /^MNIST was not found .* To use synthetic digits anyway: --data synthetic$/);
      assert.equal(error.exitCode, 75);
      return true;
    });
  });

  test('is named by every output of train and evaluate', async () => {
    const home = await mkdtemp(join(root, 'home-'));
    const own = { LOCKSTEP_MNIST_MIRRORS: await refusing(), LOCKSTEP_LOG_FORMAT: 'text' };
    const env = { PATH: process.env.PATH, HOME: home, ...own };
    const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
    const lockstep = (...args: string[]) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
        cwd: home,
        encoding: 'utf8',
        env,
      });
      assert.equal(status, 0, stderr);
      return { stdout, stderr };
    };
    const run = join(home, 'run');
    const flags = ['--iterations', '5', '--workers', '1', '--metrics-port', 'off', '--out', run, '--json'];
    const trained = lockstep('train', ...flags);
    assert.match(trained.stderr, /^WARNING: .*SYNTHETIC/);
    assert.match(trained.stderr, /^Training lenet5 on SYNTHETIC digits \(not MNIST\)/m);
    assert.match(trained.stderr, /^Done: .*% on SYNTHETIC digits/m);
    const summary = JSON.parse(trained.stdout);
    assert.equal(summary.dataset, 'synthetic');
    const manifest = JSON.parse(await readFile(join(run, 'run.json'), 'utf8'));
    assert.deepEqual([manifest.dataset, manifest.digests.dataset], ['synthetic', SYNTHETIC_SHA256]);
    const evaluated = lockstep('evaluate', run);
    assert.match(evaluated.stdout, /^data {8}SYNTHETIC digits \(not MNIST\)$/m);
    const found = JSON.parse(lockstep('evaluate', run, '--json').stdout);
    assert.deepEqual([found.dataset, found.testAccuracy], ['synthetic', summary.testAccuracy]);
  });
});
