import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { cacheFolder, resolveDataFolder } from '#src/shared/data/data-folder.js';
import { parseIdx } from '#src/shared/data/idx.js';
import { loadMnist } from '#src/shared/data/mnist.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { DatasetError } from '#src/shared/util/errors.js';
import { callerPath } from '#src/shared/util/paths.js';
import { BYTES, FILES, idx, sha256 } from '../../support/made-set.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-dataset-'));
after(() => rm(root, { recursive: true }));

const LABELS = MNIST_FILES[1].name;

/** A folder with the made-up set; `changed` replaces the training labels: other contents, another name, or nothing. */
async function folderWith(changed: Readonly<Record<string, Uint8Array>> = { [LABELS]: BYTES[1] }): Promise<string> {
  const folder = await mkdtemp(join(root, 'set-'));
  for (const [i, { name }] of FILES.entries()) {
    if (name !== LABELS) await writeFile(join(folder, name), BYTES[i] ?? '');
  }
  for (const [name, bytes] of Object.entries(changed)) await writeFile(join(folder, name), bytes);
  return folder;
}

/** The promise must fail with a DatasetError whose message has all the parts. */
async function assertRefused(promise: Promise<unknown>, ...parts: readonly string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof DatasetError, String(error));
    assert.equal(error.exitCode, 2);
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} | lacks: ${part}`);
    return true;
  });
}

test('a set loads from plain and packed files alike', async () => {
  const packed = await folderWith({ [`${LABELS}.gz`]: gzipSync(BYTES[1]) });
  for (const folder of [await folderWith(), packed]) {
    const { train, test: heldOut, width, height, name, sha256: digest } = await loadMnist(folder, { files: FILES });
    assert.deepEqual({ name, width, height }, { name: 'mnist', width: 2, height: 3 });
    assert.deepEqual([train.count, heldOut.count], [5, 4]);
    assert.deepEqual([...train.inputs], [...BYTES[0].subarray(16)]);
    assert.deepEqual([...train.targets], [...BYTES[1].subarray(8)]);
    assert.deepEqual([...heldOut.inputs], [...BYTES[2].subarray(16)]);
    assert.deepEqual([...heldOut.targets], [...BYTES[3].subarray(8)]);
    assert.equal(digest, sha256(FILES.map((file) => `${file.sha256}  ${file.name}\n`).join('')));
  }
});

const altered = Buffer.from(BYTES[1]);
altered[9] = (altered[9] ?? 0) ^ 1;
const packedLabels = gzipSync(BYTES[1]);
const named = (bytes: Uint8Array) => ({ [LABELS]: bytes });
const packed = (bytes: Uint8Array) => ({ [`${LABELS}.gz`]: bytes });

const BAD: readonly (readonly [string, Readonly<Record<string, Uint8Array>>, readonly string[]])[] = [
  ['missing', {}, ['missing', `${LABELS}.gz`]],
  ['empty', named(Buffer.alloc(0)), ['is empty']],
  ['truncated', named(BYTES[1].subarray(0, 11)), ['truncated: expected 13 bytes', 'holds 11']],
  ['cut inside its header', named(BYTES[1].subarray(0, 6)), ['header of 8 bytes', 'ends after 6']],
  ['too long', named(Buffer.concat([BYTES[1], Buffer.from([0])])), ['expected 13 bytes', 'more']],
  ['altered', named(altered), ['altered', FILES[1].sha256, sha256(altered)]],
  ['of another shape', named(idx([4], 2)), ['an array of 5', 'holds 4']],
  ['a web page', named(Buffer.from('<!DOCTYPE html>').subarray(0, 13)), ['IDX file', 'starts with 3c21444f']],
  ['not gzip', packed(BYTES[1]), [`${LABELS}.gz`, 'expected a gzip file']],
  ['a truncated gzip', packed(packedLabels.subarray(0, 20)), [`${LABELS}.gz`, 'truncated']],
  ['a gzip of altered bytes', packed(gzipSync(altered)), ['altered', FILES[1].sha256]],
  ['a gzip bomb', packed(gzipSync(Buffer.alloc(1 << 24))), [`${LABELS}.gz`, 'expected 13 bytes', 'more']],
];

for (const [what, files, parts] of BAD) {
  test(`a file that is ${what} is refused with its name and what to do`, async () => {
    const folder = await folderWith(files);
    await assertRefused(loadMnist(folder, { files: FILES }), join(folder, LABELS), ...parts, '--data');
  });
}

test('a folder in place of a file, and an unreadable file, are refused', async () => {
  const folder = await folderWith({});
  await mkdir(join(folder, LABELS));
  await assertRefused(loadMnist(folder, { files: FILES }), join(folder, LABELS), "isn't a regular one");
  const looped = await folderWith({});
  await symlink(LABELS, join(looped, LABELS));
  await assertRefused(loadMnist(looped, { files: FILES }), join(looped, LABELS), "can't be read", 'ELOOP');
});

test('a folder that is missing, a file or unreadable is refused', async () => {
  await assertRefused(loadMnist(join(root, 'nowhere')), join(root, 'nowhere'), "doesn't exist");
  await writeFile(join(root, 'file'), '');
  await assertRefused(loadMnist(join(root, 'file')), "isn't a folder");
  await symlink('loop', join(root, 'loop'));
  await assertRefused(loadMnist(join(root, 'loop')), "can't be read", 'ELOOP');
});

test('$MNIST_DIR comes before the cache', async () => {
  const [variable, home] = [await folderWith(), await mkdtemp(join(root, 'home-'))];
  const env = { MNIST_DIR: variable, HOME: home };
  const cache = cacheFolder({ HOME: home });
  await mkdir(cache, { recursive: true });
  await writeFile(join(cache, `${LABELS}.gz`), packedLabels);
  assert.equal(await resolveDataFolder({ env }), variable);
  assert.equal(await resolveDataFolder({ env: { HOME: home } }), cache);
  assert.equal(await resolveDataFolder({ env: { HOME: home, MNIST_DIR: '' } }), cache);
});

test('a wrong $MNIST_DIR is an error, never a reason to look elsewhere', async () => {
  const wrong = join(root, 'wrong');
  await assertRefused(resolveDataFolder({ env: { MNIST_DIR: wrong, HOME: root } }), '$MNIST_DIR', wrong);
});

test('where there is no data set, the error lists where it looked', async () => {
  const home = await mkdtemp(join(root, 'home-'));
  const cache = join(home, '.cache', 'lockstep', 'mnist');
  const env = { HOME: home, XDG_CACHE_HOME: join(home, '.cache') };
  await assertRefused(resolveDataFolder({ env }), '$MNIST_DIR (not set)', cache, LABELS);
  await mkdir(cache, { recursive: true });
  await assertRefused(resolveDataFolder({ env }), cache);
});

test("the cache follows the platform's custom", () => {
  const tail = join('lockstep', 'mnist');
  assert.equal(cacheFolder({ HOME: '/h', XDG_CACHE_HOME: '/x' }, 'linux'), join('/x', tail));
  assert.equal(cacheFolder({ HOME: '/h', XDG_CACHE_HOME: 'relative' }, 'linux'), join('/h/.cache', tail));
  assert.equal(cacheFolder({ HOME: '/h' }, 'darwin'), join('/h/Library/Caches', tail));
  assert.equal(cacheFolder({}, 'linux'), join(homedir(), '.cache', tail));
});

test('relative paths resolve against the folder of the caller', () => {
  const npm = { INIT_CWD: '/caller', npm_lifecycle_event: 'start' };
  assert.equal(callerPath('data', npm), '/caller/data');
  assert.equal(callerPath('/data', npm), '/data');
  assert.equal(callerPath('data', {}), join(process.cwd(), 'data'));
  // Another package's script may change the folder before it starts lockstep.
  assert.equal(callerPath('data', { ...npm, npm_lifecycle_event: 'test' }), join(process.cwd(), 'data'));
});

test('any bytes are either an IDX array of just their length or a DatasetError', () => {
  const header = fc.tuple(fc.constantFrom(0, 8, 9), fc.nat(6)).map(([type, dimensions]) => [0, 0, type, dimensions]);
  const body = fc.array(fc.oneof(fc.nat(2), fc.nat(255)), { maxLength: 24 });
  fc.assert(
    fc.property(header, body, (start, rest) => {
      const bytes = Uint8Array.from([...start, ...rest]);
      try {
        const { shape, data } = parseIdx(bytes, 'some-file');
        const size = shape.reduce((a, b) => a * b, 1);
        assert.equal(data.length, size);
        assert.equal(bytes.length, 4 + 4 * shape.length + size);
      } catch (error) {
        assert.ok(error instanceof DatasetError, String(error));
      }
    }),
  );
  assert.deepEqual(parseIdx(idx([2, 3], 5), 'f'), { shape: [2, 3], data: idx([2, 3], 5).subarray(12) });
});
