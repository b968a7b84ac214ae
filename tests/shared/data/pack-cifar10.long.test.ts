// The example that packs CIFAR-10, on a few made records and pictures; sources/pictures-cifar10.long.test.ts reads the real ones.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Dataset, OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { findAt } from '#src/shared/data/open.js';
import { CONTEXT } from '../../support/find-context.ts';
import { encoder } from '../../support/pictures.ts';

const SCRIPT = fileURLToPath(new URL('../../../../examples/pack-cifar10.mjs', import.meta.url));
const CLASSES = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
const IMAGE = 3 * 32 * 32;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-cifar-'));
after(() => rmSync(folder, { recursive: true }));

function pack(from: string, file: string) {
  return spawnSync(process.execPath, [SCRIPT, from, join(folder, file)], { encoding: 'utf8' });
}

async function packed(from: string): Promise<Dataset> {
  const { status, stderr } = pack(from, 'packed.safetensors');
  assert.equal(status, 0, stderr);
  const set = await (await findAt(join(folder, 'packed.safetensors'), CONTEXT)).read(OWN_ARRAYS);
  const { maps, height, width, classNames, name } = set;
  assert.deepEqual([name, maps, height, width, classNames], ['packed', 3, 32, 32, CLASSES]);
  return set;
}

test('the binary files are packed as they are', async () => {
  const binary = join(folder, 'binary');
  mkdirSync(binary);
  const record = (seed: number): Buffer =>
    Buffer.from(Uint8Array.from({ length: 1 + IMAGE }, (_, i) => (i === 0 ? seed % 10 : (i * 7 + seed * 31) % 256)));
  const records = Array.from({ length: 12 }, (_, i) => record(i));
  for (let i = 0; i < 5; i++)
    writeFileSync(join(binary, `data_batch_${i + 1}.bin`), Buffer.concat(records.slice(2 * i, 2 * i + 2)));
  writeFileSync(join(binary, 'test_batch.bin'), Buffer.concat(records.slice(10)));
  writeFileSync(join(binary, 'batches.meta.txt'), `${CLASSES.join('\n')}\n\n`);
  const { train, test: heldOut } = await packed(binary);
  assert.deepEqual([train.count, heldOut.count], [10, 2]);
  assert.deepEqual([...train.targets, ...heldOut.targets], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
  for (const [i, bytes] of records.slice(0, 10).entries())
    assert.deepEqual([...train.inputs.subarray(i * IMAGE, (i + 1) * IMAGE)], [...bytes.subarray(1)]);

  writeFileSync(join(binary, 'test_batch.bin'), Buffer.alloc(IMAGE));
  const { status, stderr } = pack(binary, 'bad.safetensors');
  assert.notEqual(status, 0);
  assert.match(stderr, /test_batch\.bin: expected records of 3073 bytes/);
});

test('JPEG files of a tar archive are packed by number and class', async () => {
  const tree = join(folder, 'tree');
  const grey = (level: number): Promise<Buffer> =>
    encoder(Buffer.alloc(3 * 32 * 32, level), { width: 32, height: 32, channels: 3 })
      .jpeg({ quality: 100 })
      .toBuffer();
  for (const [c, name] of CLASSES.entries()) {
    for (const part of ['train', 'test']) {
      mkdirSync(join(tree, part, name), { recursive: true });
      for (let i = 0; i < 2; i++)
        writeFileSync(join(tree, part, name, `000${i}.jpg`), await grey(20 * c + 5 * i + (part === 'test' ? 2 : 0)));
    }
  }
  const archive = join(tree, 'cifar10-jpeg.tar.gz');
  assert.equal(spawnSync('tar', ['czf', archive, '-C', tree, 'train', 'test']).status, 0);
  const { train, test: heldOut } = await packed(tree);
  assert.deepEqual([...train.targets], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const [{ inputs }, more] of [
    [train, 0],
    [heldOut, 2],
  ] as const) {
    for (let i = 0; i < 20; i++) {
      const level = 20 * (i % 10) + 5 * Math.floor(i / 10) + more;
      const image = inputs.subarray(i * IMAGE, (i + 1) * IMAGE);
      assert.ok(image.every((value) => Math.abs(value - level) <= 1));
    }
  }
});

test('a folder of anything else is refused', () => {
  const { status, stderr } = pack(folder, 'none.safetensors');
  assert.notEqual(status, 0);
  assert.match(stderr, /holds neither test_batch\.bin nor cifar10-jpeg\.tar\.gz/);
});
