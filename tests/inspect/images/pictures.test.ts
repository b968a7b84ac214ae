import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import jpeg from 'jpeg-js';
import { upright } from '#src/inspect/images/grey.js';
import { orientationOf } from '#src/inspect/images/jpeg.js';
import { readImage } from '#src/inspect/images/thread.js';
import { at } from '../../support/reference/arrays.ts';

const SIDE = 28;
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
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', [0, 0, 0, SIDE, 0, 0, 0, SIDE, depth, colour, 0, 0, 0]),
    ...chunks.map(([type, data]) => chunk(type, data)),
    chunk('IDAT', deflateSync(Uint8Array.from(rows))),
    chunk('IEND', []),
  ]);
}

function chunk(type: string, data: ArrayLike<number>): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), Uint8Array.from(data)]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

async function read(bytes: Uint8Array) {
  const file = join(folder, 'picture');
  writeFileSync(file, bytes);
  return readImage(file);
}

async function digitOf(bytes: Uint8Array): Promise<number[]> {
  const found = await read(bytes);
  assert.ok('digit' in found, JSON.stringify(found));
  return [...found.digit];
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

test('names the bits that a colour type does not have', async () => {
  const pixels = INK.map(() => [0]);
  assert.match(JSON.stringify(await read(png({ depth: 3, colour: 0, pixels }))), /it has 3 bits a channel, .* 1, 2, 4/);
  assert.match(JSON.stringify(await read(png({ depth: 16, colour: 3, pixels }))), /it has 16 bits a channel/);
});

test('refuses a file of more than 64 MiB', async () => {
  const file = join(folder, 'sparse.png');
  writeFileSync(file, '');
  truncateSync(file, 64 * 2 ** 20 + 1);
  assert.deepEqual(await readImage(file), { problem: 'it has 67108865 bytes, more than 67108864: make it smaller' });
});

test('counts the bytes of a PNG, not its pixels alone', async () => {
  const header = (depth: number, colour: number): Buffer =>
    Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      chunk('IHDR', [0, 0, 0x13, 0x88, 0, 0, 0x13, 0x88, depth, colour, 0, 0, 0]),
      chunk('IDAT', deflateSync(Buffer.alloc(1))),
      chunk('IEND', []),
    ]);
  const problem = 'it has 191 MB of pixels, more than 100: make it smaller, or save it with 8 bits a channel';
  assert.deepEqual(await read(header(16, 6)), { problem });
  for (const [depth, colour] of [
    [8, 6],
    [16, 0],
  ] as const) {
    assert.deepEqual(await read(header(depth, colour)), { problem: 'its pixels end early' });
  }
});

test("refuses a JPEG whose header says too many pixels or none, in a PNG's words", async () => {
  const bytes = jpeg.encode({ width: 28, height: 28, data: new Uint8Array(4 * 28 * 28) }, 90).data;
  const frame = bytes.findIndex((byte, i) => byte === 0xff && at(bytes, i + 1) === 0xc0);
  for (const [side, problem] of [
    [6000, 'it is 6000x6000 pixels, more than 25 million: make it smaller'],
    [0, 'it is 0x0 pixels'],
  ] as const) {
    const other = Buffer.from(bytes);
    other.writeUInt16BE(side, frame + 5);
    other.writeUInt16BE(side, frame + 7);
    assert.deepEqual(await read(other), { problem });
  }
});

test('turns and mirrors as each EXIF orientation asks', () => {
  // The picture to be seen is abc over def; each orientation's rows as a camera stores them.
  const stored = ['abc def', 'cba fed', 'fed cba', 'def abc', 'ad be cf', 'cf be ad', 'fc eb da', 'da eb fc'];
  for (const [i, text] of stored.entries()) {
    const rows = text.split(' ');
    const [width, height] = [at(rows, 0).length, rows.length];
    const seen = upright({ width, height, data: Buffer.from(rows.join('')) }, i + 1);
    assert.deepEqual([seen.width, seen.height, Buffer.from(seen.data).toString()], [3, 2, 'abcdef'], `${i + 1}`);
  }
});

test('finds the orientation in either order of bytes, and takes 1 for any other', () => {
  const big = [0, 0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0];
  const little = [0, 0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0];
  for (const exif of [big, little]) assert.equal(orientationOf(Uint8Array.from(exif)), 8);
  assert.equal(orientationOf(Uint8Array.from(big.with(20, 9))), 1);
  assert.equal(orientationOf(Uint8Array.from(big.slice(0, 9))), 1);
  assert.equal(orientationOf(undefined), 1);
});
