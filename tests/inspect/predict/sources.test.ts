import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { idxImage, pictureFiles } from '#src/inspect/predict/sources.js';
import type { Shape } from '#src/shared/model/shape.js';
import { DatasetError, UsageError } from '#src/shared/util/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-idx-'));
after(() => rmSync(folder, { recursive: true }));

const BAR = Uint8Array.from({ length: 28 * 28 }, (_, i) => (i % 28 === 14 && i > 112 && i < 672 ? 250 : 0));

function idx(shape: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.from([0, 0, 8, shape.length, ...shape.flatMap((side) => [0, 0, side >> 8, side & 255])]);
  return Buffer.concat([header, data]);
}

function file(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

const INK = { kind: 'ink' } as const;
const DRAWN = { maps: 1, height: 28, width: 28 };
const FORM = { input: DRAWN, preparation: INK };

async function sampleIn(path: string, index: number, input: Shape = DRAWN): Promise<Uint8Array> {
  const found = await idxImage(path, index, { input, preparation: INK });
  assert.ok('sample' in found, JSON.stringify(found));
  return Uint8Array.from(found.sample);
}

test('an image of 28x28 is taken as it is, but light on dark', async () => {
  const dark = BAR.map((value) => 255 - value);
  const path = file('two', idx([2, 28, 28], Buffer.concat([BAR, dark])));
  for (const index of [0, 1]) assert.deepEqual(await sampleIn(path, index), BAR);
});

test('an image of a set that has no drawings is taken as it is', async () => {
  const dark = BAR.map((value) => 255 - value);
  const path = file('dark', idx([1, 28, 28], dark));
  assert.deepEqual(await idxImage(path, 0, { input: DRAWN }), { sample: Buffer.from(dark) });
});

test('an image of another size is brought to 28x28', async () => {
  const data = new Uint8Array(40 * 60);
  for (let y = 10; y < 50; y++) data.fill(255, 40 * y + 18, 40 * y + 22);
  const sample = await sampleIn(file('large', idx([1, 60, 40], data)), 0);
  const rows = Array.from({ length: 28 }, (_, y) => Math.max(...sample.subarray(28 * y, 28 * y + 28)) > 64);
  assert.ok(Math.abs(rows.filter(Boolean).length - 20) <= 1);
});

test('images in colour are taken as they are, and scaled for other networks', async () => {
  const colours = Uint8Array.from({ length: 3 * 4 * 6 }, (_, i) => (i * 37) % 256);
  const path = file('colour', idx([1, 3, 4, 6], colours));
  assert.deepEqual(await sampleIn(path, 0, { maps: 3, height: 4, width: 6 }), colours);
  const half = await sampleIn(path, 0, { maps: 3, height: 2, width: 3 });
  const mean = (map: number): number =>
    Math.round([0, 1, 6, 7].reduce((sum, place) => sum + (colours[24 * map + place] as number) / 4, 0));
  assert.deepEqual([half.length, half[0], half[6], half[12]], [18, mean(0), mean(1), mean(2)]);
});

test('a blank image is refused as a blank picture is', async () => {
  for (const value of [0, 255, 100]) {
    const path = file('blank', idx([1, 28, 28], new Uint8Array(28 * 28).fill(value)));
    assert.deepEqual(await idxImage(path, 0, FORM), { problem: 'nothing is drawn on it' });
  }
});

test('a packed file is told by its bytes, whatever its name', async () => {
  const bytes = idx([1, 28, 28], BAR);
  assert.deepEqual(await sampleIn(file('packed', gzipSync(bytes)), 0), BAR);
  assert.deepEqual(await sampleIn(file('plain.gz', bytes), 0), BAR);
});

test('says what is wrong with a file, and nothing of the data set', async () => {
  const huge = Buffer.alloc(116);
  huge.set([0, 0, 8, 3, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0x80]);
  for (const [bytes, problem] of [
    [idx([2, 28, 28], BAR), /is truncated: expected 1584 bytes for 2x28x28, but it holds 800\./],
    [idx([1, 28, 27], BAR), /has bytes after its end/],
    [Buffer.from('no IDX file'), /starts with 0000080N .* but it starts with 6e6f2049\./],
    [Buffer.alloc(0), /but it is empty\./],
    [huge, /no file holds the array of 2147483648x2147483648x2147483648 that its header has\./],
    [idx([28], BAR.subarray(0, 28)), /holds an array of 28: expected images/],
    [idx([0, 28, 28], new Uint8Array()), /holds an array of 0x28x28: expected images/],
    [gzipSync(BAR).subarray(0, 30), /can't be unpacked/],
  ] as const) {
    await assert.rejects(idxImage(file('bad', bytes), 0, FORM), (error) => {
      assert.ok(error instanceof DatasetError || error instanceof UsageError, String(error));
      assert.match(error.message, problem);
      assert.doesNotMatch(error.message, /--data|Fetch/);
      return true;
    });
  }
  const path = file('one', idx([1, 28, 28], BAR));
  await assert.rejects(idxImage(path, 1, FORM), /--index: expected 0 to 0, as .* but got 1/);
  await assert.rejects(idxImage(join(folder, 'gone'), 0, FORM), /there is no file .*gone/);
});

test('a folder without pictures is refused', async () => {
  const hidden: unknown[] = [];
  const onHidden = (...found: unknown[]): void => void hidden.push(found);
  await assert.rejects(pictureFiles([folder], onHidden), /The folder .* holds no picture\.$/);
  file('._1.png', BAR);
  await assert.rejects(pictureFiles([folder], onHidden), /holds no picture but 1 hidden file\.$/);
  file('1.png', BAR);
  assert.deepEqual(await pictureFiles([folder], onHidden), [join(folder, '1.png')]);
  assert.deepEqual(hidden, [[folder, 1]]);
});
