import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resize } from '#src/shared/data/preparation.js';
import type { Pixels } from '#src/shared/pictures/pixels.js';
import { sampleOf } from '#src/shared/pictures/resize.js';
import { at } from '../../support/reference/arrays.ts';

function painted(width: number, height: number, paint: (x: number, y: number) => readonly number[]): Pixels {
  const pixels = Array.from({ length: width * height }, (_, i) => paint(i % width, Math.floor(i / width)));
  return { width, height, channels: at(pixels, 0).length as Pixels['channels'], data: Uint8Array.from(pixels.flat()) };
}

function rows(pixels: Pixels, width: number, height: number, resize: Resize = 'stretch'): number[][] {
  const sample = sampleOf(pixels, { maps: 1, height, width }, resize);
  return Array.from({ length: height }, (_, y) => [...sample.subarray(y * width, (y + 1) * width)]);
}

test('a picture of the size keeps its bytes, map by map, however it is resized', () => {
  const pixels = painted(5, 3, (x, y) => [10 * x, 20 * y, 7 * x + y]);
  const places = Array.from({ length: 15 }, (_, i) => [i % 5, Math.floor(i / 5)] as const);
  const expected = [places.map(([x]) => 10 * x), places.map(([, y]) => 20 * y), places.map(([x, y]) => 7 * x + y)];
  for (const resize of ['contain', 'cover', 'stretch'] as const) {
    assert.deepEqual([...sampleOf(pixels, { maps: 3, height: 3, width: 5 }, resize)], expected.flat(), resize);
  }
});

test('each value is the mean of what it covers, rounded once, a half upwards', () => {
  const pixels = painted(5, 1, (x) => [at([10, 20, 40, 80, 161], x)]);
  // 2.5 pixels each: (10 + 20 + 40/2) / 2.5 and (40/2 + 80 + 161) / 2.5.
  assert.deepEqual(rows(pixels, 2, 1), [[20, 104]]);
  assert.deepEqual(
    rows(
      painted(2, 2, (x, y) => [at([1, 2, 1, 2], 2 * y + x)]),
      1,
      1,
    ),
    [[2]],
  );
});

test('any size is the mean of exact fractions', () => {
  let state = 7;
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
  for (let round = 0; round < 40; round++) {
    const [w, h] = [1 + random(40), 1 + random(40)];
    const [width, height] = [1 + random(w), 1 + random(h)];
    const pixels = painted(w, h, () => [random(256)]);
    const covered = (begin: number, end: number, k: number): number =>
      Math.max(0, Math.min(end, k + 1) - Math.max(begin, k));
    for (const [y, row] of rows(pixels, width, height).entries()) {
      for (const [x, value] of row.entries()) {
        let sum = 0;
        for (let i = 0; i < w; i++) {
          for (let j = 0; j < h; j++) {
            const across = covered((x * w) / width, ((x + 1) * w) / width, i);
            sum += across * covered((y * h) / height, ((y + 1) * h) / height, j) * at(pixels.data, j * w + i);
          }
        }
        const mean = (sum * width * height) / (w * h);
        assert.ok(Math.abs(value - mean) <= 0.5 + 1e-6, `${w}x${h} to ${width}x${height}: ${value} for ${mean}`);
      }
    }
  }
});

test('an enlarged picture goes evenly from pixel to pixel', () => {
  assert.deepEqual(
    rows(
      painted(2, 1, (x) => [x === 0 ? 0 : 240]),
      4,
      1,
    ),
    [[0, 60, 180, 240]],
  );
  assert.deepEqual(
    rows(
      painted(1, 1, () => [9]),
      3,
      2,
    ),
    [
      [9, 9, 9],
      [9, 9, 9],
    ],
  );
});

test('contain keeps all of it and adds black borders', () => {
  const wide = painted(8, 4, (x) => [x < 4 ? 100 : 200]);
  assert.deepEqual(rows(wide, 4, 4, 'contain'), [
    [0, 0, 0, 0],
    [100, 100, 200, 200],
    [100, 100, 200, 200],
    [0, 0, 0, 0],
  ]);
  assert.deepEqual(
    rows(
      painted(1, 900, () => [50]),
      3,
      3,
      'contain',
    ),
    [
      [0, 50, 0],
      [0, 50, 0],
      [0, 50, 0],
    ],
  );
});

test('cover takes the largest middle part', () => {
  const wide = painted(30, 10, (x) => [x < 10 ? 255 : x < 20 ? 40 : 200]);
  assert.deepEqual(rows(wide, 2, 2, 'cover'), [
    [40, 40],
    [40, 40],
  ]);
  // Half a pixel is cut off on both sides.
  assert.deepEqual(
    rows(
      painted(3, 2, (x) => [at([0, 100, 200], x)]),
      2,
      2,
      'cover',
    ),
    [
      [50, 150],
      [50, 150],
    ],
  );
  const tall = painted(1, 3, (_, y) => [at([1, 2, 3], y)]);
  assert.deepEqual(rows(tall, 1, 1, 'cover'), [[2]]);
});

test('stretch distorts', () => {
  const wide = painted(4, 1, (x) => [at([0, 50, 100, 150], x)]);
  assert.deepEqual(rows(wide, 2, 2, 'stretch'), [
    [25, 125],
    [25, 125],
  ]);
});

test('one map has the luma, greys stay as they are, and what is transparent is white', () => {
  assert.deepEqual(
    rows(
      painted(4, 1, (x) =>
        at(
          [
            [255, 0, 0],
            [0, 255, 0],
            [0, 0, 255],
            [77, 77, 77],
          ],
          x,
        ),
      ),
      4,
      1,
    ),
    [[76, 150, 29, 77]],
  );
  for (let value = 0; value < 256; value++)
    assert.deepEqual(
      rows(
        painted(1, 1, () => [value, value, value]),
        1,
        1,
      ),
      [[value]],
    );
  assert.deepEqual(
    rows(
      painted(3, 1, (x) => [40, at([0, 128, 255], x)]),
      3,
      1,
    ),
    [[255, 147, 40]],
  );
  const grey = sampleOf(
    painted(2, 1, (x) => [x === 0 ? 7 : 9]),
    { maps: 3, height: 1, width: 2 },
    'cover',
  );
  assert.deepEqual([...grey], [7, 9, 7, 9, 7, 9]);
});
