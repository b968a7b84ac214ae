import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { readImage } from '#src/inspect/images/thread.js';
import { chunk, SIGNATURE } from '../../support/png.ts';

const SIDE = 28;
const DRAWN = { maps: 1, height: SIDE, width: SIDE };
const folder = mkdtempSync(join(tmpdir(), 'lockstep-pictures-'));
after(() => rmSync(folder, { recursive: true }));

/** Ink 0..1 of a stroke that is darkest in its middle, in quarters. */
const INK = Array.from({ length: SIDE * SIDE }, (_, i) => {
  const [x, y] = [i % SIDE, Math.floor(i / SIDE)];
  const distance = y < 5 || y > 22 ? 4 : Math.abs(x - 18 + (y >> 2));
  return Math.max(0, 4 - distance) / 4;
});

interface Png {
  readonly depth: number;
  /** As the format numbers them: 0 grey, 2 RGB, 3 palette. */
  readonly colour: number;
  /** Channels of each pixel, or its place in the palette. */
  readonly pixels: readonly (readonly number[])[];
  /** Chunks between the header and the pixels. */
  readonly chunks?: readonly (readonly [type: string, data: readonly number[]])[];
}

function png({ depth, colour, pixels, chunks = [] }: Png): Buffer {
  const rows: number[] = [];
  for (let y = 0; y < SIDE; y++) {
    const bits = pixels.slice(y * SIDE, (y + 1) * SIDE).flat();
    const text = bits.map((value) => value.toString(2).padStart(depth, '0')).join('');
    rows.push(0, ...(text.match(/.{8}|.+$/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, '0'), 2)));
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', [0, 0, 0, SIDE, 0, 0, 0, SIDE, depth, colour, 0, 0, 0]),
    ...chunks.map(([type, data]) => chunk(type, data)),
    chunk('IDAT', deflateSync(Uint8Array.from(rows))),
    chunk('IEND', []),
  ]);
}

async function read(bytes: Uint8Array) {
  const file = join(folder, 'picture');
  writeFileSync(file, bytes);
  return readImage({ file, input: DRAWN, preparation: { kind: 'ink' } });
}

async function digitOf(bytes: Uint8Array): Promise<number[]> {
  const found = await read(bytes);
  assert.ok('sample' in found, JSON.stringify(found));
  return [...found.sample];
}

/** Dark ink on white paper, 8 bits a pixel, in so many steps from none to full. */
async function plainDigit(steps: number): Promise<number[]> {
  const pixels = INK.map((ink) => [Math.round((255 * Math.round((1 - ink) * steps)) / steps)]);
  return digitOf(png({ depth: 8, colour: 0, pixels }));
}

for (const depth of [1, 2, 4, 8, 16]) {
  test(`reads grey of ${depth} bits`, async () => {
    const bright = 2 ** depth - 1;
    const pixels = INK.map((ink) => [Math.round((1 - ink) * bright)]);
    assert.deepEqual(await digitOf(png({ depth, colour: 0, pixels })), await plainDigit(Math.min(bright, 255)));
  });

  test(`reads grey of ${depth} bits with one value that is transparent`, async () => {
    const bright = 2 ** depth - 1;
    // The paper is darker than half of the ink where its value isn't taken for transparent.
    const values = INK.map((ink, i) => (ink === 0 ? 1 : i < INK.length / 2 ? 0 : Math.min(2, bright)));
    const plain = values.map((value) => [value === 1 ? 255 : Math.round((255 * value) / bright)]);
    const clear = png({ depth, colour: 0, pixels: values.map((value) => [value]), chunks: [['tRNS', [0, 1]]] });
    assert.deepEqual(await digitOf(clear), await digitOf(png({ depth: 8, colour: 0, pixels: plain })));
  });
}

for (const depth of [8, 16]) {
  test(`reads RGB of ${depth} bits with one colour that is transparent`, async () => {
    const key = [90, 40, 200];
    const wide = (value: number): number => (depth === 16 ? 257 * value : value);
    const pixels = INK.map((ink) => (ink > 0 ? [90, 40, 201] : key).map(wide));
    const colour = key.flatMap((value) => (depth === 16 ? [value, value] : [0, value]));
    // One level apart in one channel: nothing is drawn if the key isn't used.
    assert.deepEqual(await read(png({ depth, colour: 2, pixels })), { problem: 'nothing is drawn on it' });
    const plain = png({ depth: 8, colour: 0, pixels: INK.map((ink) => [ink > 0 ? 0 : 255]) });
    assert.deepEqual(
      await digitOf(png({ depth, colour: 2, pixels, chunks: [['tRNS', colour]] })),
      await digitOf(plain),
    );
  });
}

for (const depth of [1, 2, 4, 8]) {
  test(`reads a palette of ${depth} bits, with and without transparency`, async () => {
    const bright = Math.min(2 ** depth - 1, 15);
    const pixels = INK.map((ink) => [bright - Math.round((1 - ink) * bright)]);
    const greys = Array.from({ length: bright + 1 }, (_, i) => Math.round(255 - (255 * i) / bright));
    const grey = greys.flatMap((value) => [value, value, value]);
    const expected = await plainDigit(bright);
    assert.deepEqual(await digitOf(png({ depth, colour: 3, pixels, chunks: [['PLTE', grey]] })), expected);
    const black = greys.flatMap(() => [0, 0, 0]);
    const chunks = [
      ['PLTE', black],
      ['tRNS', greys.map((value) => 255 - value)],
    ] as const;
    assert.deepEqual(await digitOf(png({ depth, colour: 3, pixels, chunks })), expected);
  });
}

test('refuses a file of more than 64 MiB', async () => {
  const file = join(folder, 'sparse.png');
  writeFileSync(file, '');
  truncateSync(file, 64 * 2 ** 20 + 1);
  assert.deepEqual(await readImage({ file, input: DRAWN, preparation: { kind: 'ink' } }), {
    problem: 'it has 67108865 bytes, more than 67108864: make it smaller',
  });
});

test('names a picture that no sample can be made of, or that can not be read', async () => {
  const plain = png({ depth: 8, colour: 0, pixels: INK.map(() => [9]) });
  assert.deepEqual(await read(plain), { problem: 'nothing is drawn on it' });
  assert.deepEqual(await read(plain.subarray(0, 60)), { problem: 'it is truncated' });
  assert.deepEqual(await readImage({ file: folder, input: DRAWN, preparation: { kind: 'ink' } }), {
    problem: 'it is no file',
  });
  const gone = await readImage({ file: join(folder, 'gone.png'), input: DRAWN, preparation: { kind: 'ink' } });
  assert.match('problem' in gone ? gone.problem : '', /^it can't be read \(ENOENT/);
});

test('makes a sample as the training set was made', async () => {
  const file = join(folder, 'half.png');
  writeFileSync(file, png({ depth: 8, colour: 0, pixels: INK.map((_, i) => [i % SIDE < SIDE / 2 ? 40 : 200]) }));
  const input = { maps: 1, height: 2, width: 4 };
  const made = (resize: 'contain' | 'cover' | 'stretch') =>
    readImage({ file, input: { ...input }, preparation: { kind: 'pictures', resize } });
  assert.deepEqual(await made('contain'), { sample: Uint8Array.from([0, 40, 200, 0, 0, 40, 200, 0]) });
  assert.deepEqual(await made('stretch'), { sample: Uint8Array.from([40, 40, 200, 200, 40, 40, 200, 200]) });
  // No drawing, though it is a square of one map.
  const square = await readImage({ file, input: DRAWN, preparation: { kind: 'pictures', resize: 'cover' } });
  assert.deepEqual(square, { sample: Uint8Array.from(INK, (_, i) => (i % SIDE < SIDE / 2 ? 40 : 200)) });
});
