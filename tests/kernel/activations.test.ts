import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LAYERS } from '#src/shared/model/kinds.js';
import { OperationRunner, pair } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';

const { fround } = Math;
const SIZE = { maps: 3, height: 5, width: 7 };
const WORDS = [SIZE.maps, pair(SIZE.height, SIZE.width)];
const SLOPE = fround(0.1);
const TINY = 2 ** -60;

interface Activation {
  readonly kind: number;
  readonly value: (x: number) => number;
  /** From the activation's value. */
  readonly slope: (y: number) => number;
}

const [AMPLITUDE, STEEPNESS] = [1.7159, 2 / 3];

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  linear: { kind: 0, value: (x) => x, slope: () => 1 },
  relu: { kind: 1, value: (x) => (x <= 0 ? 0 : x), slope: (y) => (y <= 0 ? 0 : 1) },
  'scaled tanh': {
    kind: 2,
    value: (x) => AMPLITUDE * Math.tanh(STEEPNESS * x),
    slope: (y) => STEEPNESS * (AMPLITUDE - (y * y) / AMPLITUDE),
  },
  tanh: { kind: 3, value: Math.tanh, slope: (y) => 1 - y * y },
  sigmoid: { kind: 4, value: (x) => 1 / (1 + Math.exp(-x)), slope: (y) => y * (1 - y) },
  'leaky ReLU': { kind: 5, value: (x) => (x <= 0 ? x * SLOPE : x), slope: (y) => (y <= 0 ? SLOPE : 1) },
};

const runner = new OperationRunner();

/** Values of both signs from 2^-70 to 2^15. */
function spread(i: number): number {
  return fround((i % 2 === 0 ? 1 : -1) * (1 + (i % 13) / 13) * 2 ** (((i * 29) % 86) - 70));
}

for (const [name, { kind, value, slope }] of Object.entries(ACTIVATIONS)) {
  describe(name, () => {
    it('agrees with float64, in place too', () => {
      let next = 0;
      const x = runner.maps(SIZE).fill(() => spread(next++));
      const out = runner.maps(SIZE, 2);
      runner.run('activate', [x, out, ...WORDS, kind, SLOPE]);
      out.each((...place) => {
        const expected = value(x.get(...place));
        const error = Math.abs(out.get(...place) - expected);
        // Below exp(-41.5) the kernel's sigmoid is 0.
        assert.ok(error <= 5e-7 * Math.abs(expected) + 1e-18, `at ${x.get(...place)}: ${out.get(...place)}`);
      });
      runner.run('activate', [x, x, ...WORDS, kind, SLOPE]);
      assert.deepEqual(x.values(), out.values());
      assert.ok(x.borderIsUntouched && out.borderIsUntouched);
    });

    it('has its derivative from its value, flushed, in place too', () => {
      const y = runner.maps(SIZE);
      let next = 0;
      y.fill(() => value(spread(next++)));
      const dy = runner.randomMaps(SIZE, 3);
      next = 0;
      dy.fill((...place) => (next++ % 3 === 0 ? fround(dy.get(...place) * 2 ** -60) : dy.get(...place)));
      const dx = runner.maps(SIZE, 2);
      runner.run('activateBackward', [y, dy, dx, ...WORDS, kind, SLOPE]);
      dx.each((...place) => {
        const expected = dy.get(...place) * slope(y.get(...place));
        const actual = dx.get(...place);
        assert.ok(actual === 0 || Math.abs(actual) >= TINY);
        // Beside its limits a slope is a difference of near values.
        const tolerance = 1e-6 * Math.abs(dy.get(...place)) + (actual === 0 ? 1.01 * TINY : 0);
        assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} for ${expected}`);
      });
      runner.run('activateBackward', [y, dy, dy, ...WORDS, kind, SLOPE]);
      assert.deepEqual(dy.values(), dx.values());
      assert.ok(dy.borderIsUntouched && dx.borderIsUntouched);
    });

    it('lets NaN through, both ways, and has limits', () => {
      const x = runner.maps({ maps: 1, height: 1, width: 1 });
      const specials = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e38, -1e38, 1];
      x.fill((_map, _y, _x, lane) => at(specials, lane));
      const out = runner.maps(x.size);
      runner.run('activate', [x, out, 1, pair(1, 1), kind, SLOPE]);
      for (const [lane, special] of specials.entries()) {
        const [actual, expected] = [out.get(0, 0, 0, lane), fround(value(special))];
        const close = Math.abs(actual - expected) <= 3e-7 * Math.abs(expected);
        assert.ok(Object.is(actual, expected) || actual === expected || close, `${actual} at ${special}`);
      }
      const dy = runner.maps(x.size).fill((_map, _y, _x, lane) => (lane === 7 ? Number.NaN : 1));
      runner.run('activateBackward', [out, dy, dy, 1, pair(1, 1), kind, SLOPE]);
      assert.ok(Number.isNaN(dy.get(0, 0, 0, 7)));
      assert.ok(Number.isNaN(slope(Number.NaN)) === Number.isNaN(dy.get(0, 0, 0, 0)));
    });
  });
}

it('every activation of a layer is tried here', () => {
  const tried = Object.values(ACTIVATIONS).map(({ kind }) => kind);
  for (const { kind, activation } of LAYERS) assert.ok(activation === undefined || tried.includes(activation), kind);
});

describe('the derivative at 0', () => {
  it('is 0 for ReLU and the slope for leaky ReLU', () => {
    const y = runner.maps({ maps: 1, height: 1, width: 1 }).fill((_map, _y, _x, lane) => (lane % 2 === 0 ? 0 : -0));
    for (const [kind, slope] of [
      [1, 0],
      [5, SLOPE],
    ] as const) {
      const dy = runner.maps(y.size).fill(() => 1);
      runner.run('activateBackward', [y, dy, dy, 1, pair(1, 1), kind, SLOPE]);
      assert.ok(dy.values().every((value) => value === slope));
    }
  });
});
