import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PhiloxStream } from '#src/shared/util/philox.js';
import { type MapsInMemory, OperationRunner, pair, sameBits } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';

const { fround } = Math;
const SIZE = { maps: 3, height: 4, width: 5 };
const WORDS = [SIZE.maps, pair(SIZE.height, SIZE.width)];
const TINY = 2 ** -60;

const runner = new OperationRunner();

function assertEach(
  out: MapsInMemory,
  expected: (...place: readonly [number, number, number, number]) => number,
): void {
  out.each((...place) => assert.ok(Object.is(out.get(...place), expected(...place)), `at ${place}`));
  assert.ok(out.borderIsUntouched);
}

function flushed(value: number): number {
  return Math.abs(value) < TINY ? 0 : value;
}

describe('addMaps', () => {
  it('adds, in place too, and keeps NaN and -0', () => {
    const [a, b, out] = [runner.randomMaps(SIZE, 1), runner.randomMaps(SIZE, 2, 2), runner.maps(SIZE)];
    a.set(1, 2, 3, 4, Number.NaN);
    a.set(1, 2, 3, 5, -0);
    b.set(1, 2, 3, 5, -0);
    runner.run('addMaps', [a, b, out, ...WORDS]);
    assertEach(out, (...place) => fround(a.get(...place) + b.get(...place)));
    runner.run('addMaps', [a, b, a, ...WORDS]);
    assert.ok(sameBits(a.values(), out.values()));
  });
});

describe('copyMaps', () => {
  it('copies what is inside', () => {
    const [x, out] = [runner.randomMaps(SIZE, 1), runner.maps(SIZE, 3)];
    x.set(0, 0, 0, 0, Number.NaN);
    runner.run('copyMaps', [x, out, ...WORDS]);
    assertEach(out, x.get.bind(x));
  });
});

describe('clear', () => {
  it('zeroes the bytes given', () => {
    const floats = runner.floats([1, 2, 3, 4]);
    runner.run('clear', [floats.byteOffset + 4, 8]);
    assert.deepEqual([...floats], [1, 0, 0, 4]);
  });
});

describe('affine', () => {
  it('scales, then adds, and flushes', () => {
    const [x, out] = [runner.randomMaps(SIZE, 1), runner.maps(SIZE)];
    x.set(0, 1, 2, 3, TINY);
    x.set(0, 1, 2, 4, Number.NaN);
    for (const offset of [0, fround(0.3)]) {
      runner.run('affine', [x, out, ...WORDS, fround(0.7), offset]);
      assertEach(out, (...place) => flushed(fround(fround(x.get(...place) * fround(0.7)) + offset)));
    }
  });
});

describe('mapAffine', () => {
  const factor = 4;
  const weights = runner.randomFloats(1 + 2 * SIZE.maps, 9);

  it('scales each map by its coefficient and adds its bias', () => {
    const [x, out] = [runner.randomMaps(SIZE, 1), runner.maps(SIZE, 2)];
    runner.run('mapAffine', [x, out, ...WORDS, 4, 4 + 4 * SIZE.maps, factor], { weights });
    assertEach(out, (map, ...place) => {
      const product = fround(x.get(map, ...place) * fround(factor * at(weights, 1 + map)));
      return fround(product + at(weights, 1 + SIZE.maps + map));
    });
  });

  it('has the deltas, flushed, and the gradients', () => {
    const [x, dy] = [runner.randomMaps(SIZE, 1), runner.randomMaps(SIZE, 2)];
    dy.set(0, 0, 0, 0, fround(1.5 * 2 ** -62));
    const dx = runner.maps(SIZE);
    const gradient = runner.floats(new Array(1 + 2 * SIZE.maps).fill(7));
    const run = (target: MapsInMemory | undefined, offset: number, accumulate = false): void => {
      const place = target ?? runner.maps({ maps: 0, height: 0, width: 0 });
      const values = [x, dy, place, ...WORDS, 4, offset, factor];
      runner.run('mapAffineBackward', values, { weights, gradient, accumulate });
    };
    run(dx, -1);
    assert.ok(gradient.every((value) => value === 7));
    assertEach(dx, (map, ...place) => flushed(fround(dy.get(map, ...place) * fround(factor * at(weights, 1 + map)))));
    run(dx, 4);
    run(dx, 4, true);
    for (let map = 0; map < SIZE.maps; map++) {
      let [products, deltas] = [0, 0];
      dy.each((each, ...place) => {
        if (each !== map) return;
        products += factor * dy.get(map, ...place) * x.get(map, ...place);
        deltas += dy.get(map, ...place);
      });
      assert.ok(Math.abs(at(gradient, 1 + map) - 2 * products) < 1e-4);
      assert.ok(Math.abs(at(gradient, 1 + SIZE.maps + map) - 2 * deltas) < 1e-4);
    }
    assert.equal(gradient[0], 7);
  });

  it('leaves deltas out if they are not wanted', () => {
    const [x, dy] = [runner.randomMaps(SIZE, 1), runner.randomMaps(SIZE, 2)];
    const gradient = runner.floats(new Array(2 * SIZE.maps).fill(0));
    const nowhere = { ...dy, words: [0, 0, 0] } as unknown as MapsInMemory;
    runner.run('mapAffineBackward', [x, dy, nowhere, ...WORDS, 4, 0, factor], { weights, gradient });
    assert.ok(gradient.every((value) => value !== 0));
  });
});

describe('dropout', () => {
  const [place, seed, rate] = [3, 2 ** 40 + 5, 0.3];
  const threshold = Math.floor(rate * 2 ** 32);
  const scale = fround(1 / (1 - rate));
  const first = 2 ** 32 - 3;
  const positions = runner.ints(
    Array.from({ length: 8 }, (_, lane) => [
      ((first + lane) % 2 ** 32) | 0,
      Math.floor((first + lane) / 2 ** 32),
    ]).flat(),
  );
  const key = runner.ints([(seed % 2 ** 32) | 0, Math.floor(seed / 2 ** 32)]);

  it("drops by the words of each sample's stream, and backward what it dropped", () => {
    const [x, out] = [runner.randomMaps(SIZE, 1), runner.maps(SIZE)];
    x.set(0, 0, 0, 0, Number.NaN);
    const words = SIZE.maps * SIZE.height * SIZE.width;
    const mask = runner.memory.bytes(words + 1);
    mask[words] = 99;
    const values = [place, threshold | 0, scale, mask.byteOffset, positions.byteOffset, key.byteOffset];
    runner.run('dropout', [x, out, ...WORDS, ...values]);
    const kept = new Set<string>();
    for (let lane = 0; lane < 8; lane++) {
      const stream = new PhiloxStream(seed, (4 + 256 * place) as never);
      stream.seek(first + lane);
      for (let word = 0; word < words; word++) if (stream.next() >= threshold) kept.add(`${word} ${lane}`);
    }
    const isKept = (map: number, y: number, column: number, lane: number): boolean =>
      kept.has(`${(map * SIZE.height + y) * SIZE.width + column} ${lane}`);
    assertEach(out, (...at) => (isKept(...at) ? fround(x.get(...at) * scale) : 0));
    const dx = runner.maps(SIZE);
    runner.run('dropoutBackward', [x, dx, ...WORDS, scale, mask.byteOffset]);
    assert.ok(sameBits(dx.values(), out.values()));
    assert.equal(mask[words], 99);
    runner.run('dropout', [x, x, ...WORDS, ...values]);
    assert.ok(sameBits(x.values(), out.values()));
  });

  it('keeps about the share that it should, at any number of words', () => {
    const size = { maps: 7, height: 11, width: 13 };
    const x = runner.maps(size).fill(() => 1);
    const mask = runner.memory.bytes(7 * 11 * 13);
    for (const [share, bits] of [
      [0.5, 2 ** 31],
      [0.9, Math.floor(0.9 * 2 ** 32)],
      [0, 0],
    ] as const) {
      const values = [place, bits | 0, 1, mask.byteOffset, positions.byteOffset, key.byteOffset];
      const out = runner.maps(size);
      runner.run('dropout', [x, out, 7, pair(11, 13), ...values]);
      const dropped = out.values().filter((value) => value === 0).length / (8 * 7 * 11 * 13);
      assert.ok(Math.abs(dropped - share) < 0.02, `${dropped}`);
    }
  });
});
