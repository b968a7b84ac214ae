import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pictureProblem, prepare } from '#src/inspect/images/prepare.js';
import type { Preparation } from '#src/shared/data/preparation.js';
import type { Pixels } from '#src/shared/pictures/pixels.js';
import { at } from '../../support/reference/arrays.ts';

function painted(width: number, height: number, paint: (x: number, y: number) => readonly number[]): Pixels {
  const pixels = Array.from({ length: width * height }, (_, i) => paint(i % width, Math.floor(i / width)));
  return { width, height, channels: at(pixels, 0).length as Pixels['channels'], data: Uint8Array.from(pixels.flat()) };
}

const INK = { kind: 'ink' } as const;

function sampleOf(pixels: Pixels, input: { maps: number; height: number; width: number }, preparation?: Preparation) {
  const prepared = prepare(pixels, input, preparation);
  assert.ok('sample' in prepared, JSON.stringify(prepared));
  return [...prepared.sample];
}

test('a picture of the size keeps its bytes, map by map', () => {
  const pixels = painted(4, 3, (x, y) => [10 * x, 20 * y, x + y]);
  const places = Array.from({ length: 12 }, (_, i) => [i % 4, Math.floor(i / 4)] as const);
  const expected = [places.map(([x]) => 10 * x), places.map(([, y]) => 20 * y), places.map(([x, y]) => x + y)];
  assert.deepEqual(sampleOf(pixels, { maps: 3, height: 3, width: 4 }), expected.flat());
});

test('of a wider picture the middle is taken, as large as it can be', () => {
  const red = (x: number): number => (x < 10 ? 255 : x < 20 ? 40 : 200);
  const wide = painted(30, 10, (x) => [red(x), 0, 0]);
  assert.deepEqual(sampleOf(wide, { maps: 3, height: 2, width: 2 }).slice(0, 4), [40, 40, 40, 40]);
});

test('what is transparent is white, and grey has equal colours', () => {
  const clear = painted(2, 2, () => [9, 9, 9, 0]);
  assert.deepEqual(sampleOf(clear, { maps: 3, height: 1, width: 2 }), [255, 255, 255, 255, 255, 255]);
  const grey = painted(2, 1, (x) => [x === 0 ? 7 : 9]);
  assert.deepEqual(sampleOf(grey, { maps: 3, height: 1, width: 2 }), [7, 9, 7, 9, 7, 9]);
});

test('a grey square of a set that has no drawings is resized, not taken for ink', () => {
  const shirt = painted(8, 8, (x) => [x < 4 ? 90 : 200]);
  const half = Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 90 : 200));
  assert.deepEqual(sampleOf(shirt, { maps: 1, height: 4, width: 4 }), half);
});

test('a drawing is centred in any square of one map, and another form is scaled', () => {
  const bar = painted(60, 60, (x, y) => [x > 8 && x < 14 && y > 10 && y < 50 ? 0 : 255]);
  const sample = sampleOf(bar, { maps: 1, height: 42, width: 42 }, INK);
  const inked = sample.flatMap((value, i) => (value > 127 ? [i] : []));
  const rows = [...new Set(inked.map((i) => Math.floor(i / 42)))];
  // Thirty rows, five sevenths of all, and the middle column.
  assert.ok(Math.abs(rows.length - 30) <= 1, `${rows.length} rows`);
  assert.ok(inked.every((i) => Math.abs((i % 42) - 21.5) < 4));
  assert.equal(sampleOf(bar, { maps: 1, height: 20, width: 10 }, INK).length, 200);
  assert.deepEqual(
    prepare(
      painted(9, 9, () => [80]),
      { maps: 1, height: 8, width: 8 },
      INK,
    ),
    { problem: 'nothing is drawn on it' },
  );
});

test('samples that no picture can be are named', () => {
  for (const input of [
    { maps: 2, height: 8, width: 8 },
    { maps: 30, height: 1, width: 1 },
  ])
    assert.match(pictureProblem(input) ?? '', new RegExp(`takes samples of ${input.maps}@`));
  assert.equal(pictureProblem({ maps: 3, height: 8, width: 9 }), undefined);
});
