import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MapsInMemory, OperationRunner, pair } from '../support/operations.ts';

const { fround } = Math;

type Pair = readonly [number, number];

interface Pooling {
  readonly maps: number;
  readonly input: Pair;
  readonly size: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly output: Pair;
}

/** Apart, overlapping, with gaps, with padding on all sides, cut off at the end, and over everything. */
const CASES: readonly Pooling[] = [
  { maps: 3, input: [6, 8], size: [2, 2], stride: [2, 2], padding: [0, 0], output: [3, 4] },
  { maps: 2, input: [7, 5], size: [3, 3], stride: [2, 2], padding: [1, 1], output: [4, 3] },
  { maps: 1, input: [9, 7], size: [2, 3], stride: [3, 1], padding: [0, 2], output: [3, 9] },
  { maps: 4, input: [5, 5], size: [3, 2], stride: [2, 2], padding: [0, 0], output: [3, 3] },
  { maps: 2, input: [4, 7], size: [4, 7], stride: [4, 7], padding: [0, 0], output: [1, 1] },
];

const runner = new OperationRunner();

function nameOf({ input, size, stride, padding }: Pooling): string {
  return `${size} over ${input}, stride ${stride}, padding ${padding}`;
}

function inputOf({ maps, input }: Pooling, seed: number): MapsInMemory {
  return runner.randomMaps({ maps, height: input[0], width: input[1] }, seed);
}

function outputOf({ maps, output }: Pooling, seed: number): MapsInMemory {
  return runner.randomMaps({ maps, height: output[0], width: output[1] }, seed, 2);
}

function wordsOf({ maps, input, output, size, stride, padding }: Pooling): number[] {
  return [maps, ...[input, output, size, stride, padding].map(([rows, columns]) => pair(rows, columns))];
}

/** The real positions of a window in order. */
function windowOf({ input, size, stride, padding }: Pooling, y: number, x: number): Pair[] {
  const places: Pair[] = [];
  for (let row = y * stride[0] - padding[0]; row < y * stride[0] - padding[0] + size[0]; row++) {
    for (let column = x * stride[1] - padding[1]; column < x * stride[1] - padding[1] + size[1]; column++) {
      if (row >= 0 && row < input[0] && column >= 0 && column < input[1]) places.push([row, column]);
    }
  }
  return places;
}

/** The first NaN, or else the first of the largest. */
function winnerOf(x: MapsInMemory, window: readonly Pair[], map: number, lane: number): Pair {
  const values = window.map(([row, column]) => x.get(map, row, column, lane));
  const nan = values.findIndex(Number.isNaN);
  return window[nan >= 0 ? nan : values.indexOf(Math.max(...values))] as Pair;
}

/** Few values, so that many are equal, with NaN, both zeros and infinities among them. */
function fillWithTies(x: MapsInMemory, special: boolean): void {
  const values = [
    1,
    -2,
    0,
    -0,
    1,
    0.5,
    ...(special ? [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] : []),
  ];
  let next = 0;
  x.fill(() => values[(next++ * 7919) % values.length] as number);
}

describe('max pooling', () => {
  for (const [seed, pooling] of CASES.entries()) {
    for (const special of [false, true]) {
      it(`takes the first of the largest: ${nameOf(pooling)}${special ? ', with NaN' : ''}`, () => {
        const x = inputOf(pooling, seed);
        fillWithTies(x, special);
        const out = outputOf(pooling, seed);
        runner.run('maxPool', [x, out, ...wordsOf(pooling)]);
        const dy = outputOf(pooling, seed + 50);
        const dx = inputOf(pooling, seed + 60);
        runner.run('maxPoolBackward', [x, dy, dx, ...wordsOf(pooling)]);
        const expected = inputOf(pooling, 0).fill(() => 0);
        out.each((map, y, column, lane) => {
          if (lane > 0) return;
          for (let each = 0; each < 8; each++) {
            const [row, place] = winnerOf(x, windowOf(pooling, y, column), map, each);
            assert.ok(Object.is(out.get(map, y, column, each), x.get(map, row, place, each)));
            const sum = expected.get(map, row, place, each) + dy.get(map, y, column, each);
            expected.set(map, row, place, each, fround(sum));
          }
        });
        expected.each((...place) => assert.ok(Object.is(dx.get(...place), expected.get(...place))));
        assert.ok(out.borderIsUntouched && dx.borderIsUntouched);
      });
    }
  }
});

describe('average pooling', () => {
  for (const [seed, pooling] of CASES.entries()) {
    it(`takes the mean of what is real: ${nameOf(pooling)}`, () => {
      const x = inputOf(pooling, seed);
      const out = outputOf(pooling, seed);
      runner.run('averagePool', [x, out, ...wordsOf(pooling)]);
      out.each((map, y, column, lane) => {
        const window = windowOf(pooling, y, column);
        let exact = 0;
        const rows = new Map<number, number>();
        for (const [row, place] of window) {
          rows.set(row, fround((rows.get(row) ?? 0) + x.get(map, row, place, lane)));
          exact += x.get(map, row, place, lane);
        }
        const sum = [...rows.values()].reduce((total, row) => fround(total + row), 0);
        const actual = out.get(map, y, column, lane);
        assert.equal(actual, fround(sum * fround(1 / window.length)));
        assert.ok(Math.abs(actual - exact / window.length) < 1e-6);
      });
      assert.ok(out.borderIsUntouched);
    });

    it(`shares deltas among what is real: ${nameOf(pooling)}`, () => {
      const dy = outputOf(pooling, seed + 50);
      dy.set(0, 0, 0, 3, 2 ** -60);
      const dx = inputOf(pooling, seed + 60);
      runner.run('averagePoolBackward', [dy, dx, ...wordsOf(pooling)]);
      const expected = inputOf(pooling, 0).fill(() => 0);
      dy.each((map, y, column, lane) => {
        const window = windowOf(pooling, y, column);
        const share = fround(dy.get(map, y, column, lane) * fround(1 / window.length));
        for (const [row, place] of window) {
          const sum = expected.get(map, row, place, lane) + (Math.abs(share) < 2 ** -60 ? 0 : share);
          expected.set(map, row, place, lane, fround(sum));
        }
      });
      expected.each((...place) => assert.ok(Object.is(dx.get(...place), expected.get(...place))));
      assert.ok(dx.borderIsUntouched);
    });
  }

  it('lets NaN through', () => {
    const pooling = CASES[1] as Pooling;
    const x = inputOf(pooling, 5);
    x.set(1, 3, 2, 6, Number.NaN);
    const out = outputOf(pooling, 6);
    runner.run('averagePool', [x, out, ...wordsOf(pooling)]);
    out.each((map, y, column, lane) => {
      const hit = windowOf(pooling, y, column).some(([row, place]) => row === 3 && place === 2);
      assert.equal(Number.isNaN(out.get(map, y, column, lane)), hit && map === 1 && lane === 6);
    });
  });
});
