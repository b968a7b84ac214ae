// Batch and group norm against plain float64; the precision scheme (docstrings of src/kernel/norm) is what tolerances hold to.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type MapsInMemory, OperationRunner, pair, type Run, type Size, sameBits } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';

const { fround } = Math;
const EPSILON = fround(1e-5);
const SIZES: readonly Size[] = [
  { maps: 6, height: 5, width: 7 },
  { maps: 4, height: 1, width: 2 },
  { maps: 12, height: 3, width: 1 },
];
const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8];

const runner = new OperationRunner();

interface Norm {
  readonly size: Size;
  readonly words: readonly number[];
  readonly count: number;
  /** Real lanes: each map around a mean of its own; empty lanes hold what must not matter. */
  readonly x: MapsInMemory;
  readonly dy: MapsInMemory;
  /** weight [maps], bias [maps] */
  readonly weights: Float32Array;
  readonly saved: Float32Array;
  /** A guard, then [maps] twice, then a guard. */
  readonly gradient: Float32Array;
}

function normOf(size: Size, count: number): Norm {
  const x = runner.randomMaps(size, 10 * count);
  x.fill((map, y, column, lane) => (lane < count ? fround(3 * map + x.get(map, y, column, lane)) : Number.NaN));
  const dy = runner.randomMaps(size, 11 * count, 2);
  dy.fill((...place) => (place[3] < count ? dy.get(...place) : 0));
  return {
    size,
    words: [size.maps, pair(size.height, size.width)],
    count,
    x,
    dy,
    weights: runner.randomFloats(2 * size.maps, 3),
    saved: runner.floats(new Array(16 * size.maps).fill(0)),
    gradient: runner.floats(new Array(2 * size.maps + 2).fill(7)),
  };
}

type Place = readonly [map: number, y: number, x: number, lane: number];

/** The values that one mean and variance are of. */
interface Cell {
  readonly places: readonly Place[];
}

interface Moments {
  readonly mean: number;
  readonly variance: number;
}

/** All real values of each map. */
function batchCells({ size, count, x }: Norm): Cell[] {
  const cells = Array.from({ length: size.maps }, () => [] as Place[]);
  x.each((...place) => {
    if (place[3] < count) cells[place[0]]?.push(place);
  });
  return cells.map((places) => ({ places }));
}

/** Each sample's values of each group of maps. */
function groupCells({ size, count, x }: Norm, groups: number): Cell[] {
  const cells = Array.from({ length: groups * 8 }, () => [] as Place[]);
  x.each((...place) => {
    const group = Math.floor(place[0] / (size.maps / groups));
    if (place[3] < count) cells[group * 8 + place[3]]?.push(place);
  });
  return cells.filter((places) => places.length > 0).map((places) => ({ places }));
}

function momentsOf(x: MapsInMemory, { places }: Cell): Moments {
  const mean = places.reduce((sum, place) => sum + x.get(...place), 0) / places.length;
  return { mean, variance: places.reduce((sum, place) => sum + (x.get(...place) - mean) ** 2, 0) / places.length };
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `expected ${expected}, got ${actual}`);
}

function assertEmptyLanes(maps: MapsInMemory, count: number): void {
  maps.each((...place) => assert.ok(place[3] < count || Object.is(maps.get(...place), 0), `at ${place}`));
  assert.ok(maps.borderIsUntouched);
}

function assertNormalized({ x, size, weights, count }: Norm, out: MapsInMemory, cells: readonly Cell[]): void {
  for (const cell of cells) {
    const { mean, variance } = momentsOf(x, cell);
    for (const place of cell.places) {
      const normal = (x.get(...place) - mean) / Math.sqrt(variance + EPSILON);
      const expected = normal * at(weights, place[0]) + at(weights, size.maps + place[0]);
      // Rounding x's mean weighs as much as x is larger than its deviation.
      assertNear(out.get(...place), expected, 1e-5 + (1e-7 * Math.abs(mean)) / Math.sqrt(variance + EPSILON));
    }
  }
  assertEmptyLanes(out, count);
}

function assertGradients(norm: Norm, dx: MapsInMemory, cells: readonly Cell[], times: number): void {
  const { x, dy, size, weights, gradient, count } = norm;
  const [dweight, dbias] = [new Float64Array(size.maps), new Float64Array(size.maps)];
  for (const cell of cells) {
    const { mean, variance } = momentsOf(x, cell);
    const invstd = 1 / Math.sqrt(variance + EPSILON);
    let [s, t] = [0, 0];
    for (const place of cell.places) {
      const [map, d, normal] = [place[0], dy.get(...place), (x.get(...place) - mean) * invstd];
      dweight[map] = at(dweight, map) + d * normal;
      dbias[map] = at(dbias, map) + d;
      s += (at(weights, map) * d) / cell.places.length;
      t += (at(weights, map) * d * normal) / cell.places.length;
    }
    for (const place of cell.places) {
      const normal = (x.get(...place) - mean) * invstd;
      const expected = invstd * (at(weights, place[0]) * dy.get(...place) - s - normal * t);
      assertNear(dx.get(...place), expected, 1e-5 * (1 + invstd * (1 + Math.abs(mean) * invstd)));
    }
  }
  for (let map = 0; map < size.maps; map++) {
    const tolerance = 2e-4 * (1 + Math.abs(at(dweight, map)));
    assertNear(at(gradient, 1 + map), times * at(dweight, map), times * tolerance);
    assertNear(at(gradient, 1 + size.maps + map), times * at(dbias, map), times * 1e-5);
  }
  assert.deepEqual([gradient[0], gradient.at(-1)], [7, 7]);
  assertEmptyLanes(dx, count);
}

/** Writes, then adds; deltas elsewhere and in place are the same. */
function checkBackward(
  norm: Norm,
  cells: readonly Cell[],
  backward: (dx: MapsInMemory, offset: number, options: Run) => void,
): void {
  const { gradient, weights, count, dy } = norm;
  const dx = runner.maps(norm.size, 3);
  backward(dx, 4, { gradient, weights, count });
  assertGradients(norm, dx, cells, 1);
  backward(dx, 4, { gradient, weights, count, accumulate: true });
  assertGradients(norm, dx, cells, 2);
  gradient.fill(7);
  backward(dy, -1, { gradient, weights, count });
  assert.ok(gradient.every((value) => value === 7));
  assert.ok(sameBits(dy.values(), dx.values()));
}

describe('batch norm', () => {
  for (const size of SIZES) {
    for (const count of COUNTS) {
      it(`agrees with float64 over ${count} samples of ${size.maps}x${size.height}x${size.width}`, () => {
        const norm = normOf(size, count);
        const { x, dy, words, weights, saved, gradient } = norm;
        const cells = batchCells(norm);
        const out = runner.maps(size);
        const [bias, mean, variance] = [4 * size.maps, 4, 4 + 4 * size.maps];
        const forward = (offsets: readonly number[], accumulate: boolean): void =>
          runner.run('batchNorm', [x, out, ...words, 0, bias, saved.byteOffset, ...offsets, EPSILON], {
            weights,
            gradient,
            count,
            accumulate,
          });
        forward([-1, -1], false);
        assert.ok(gradient.every((value) => value === 7));
        forward([mean, variance], false);
        assertNormalized(norm, out, cells);
        forward([mean, variance], true);
        for (const [map, cell] of cells.entries()) {
          const moments = momentsOf(x, cell);
          assertNear(at(gradient, 1 + map), 2 * count * moments.mean, 1e-4);
          assertNear(at(gradient, 1 + size.maps + map), 2 * count * moments.variance, 1e-4);
        }
        gradient.fill(7);
        checkBackward(norm, cells, (dx, offset, options) =>
          runner.run('batchNormBackward', [x, dy, dx, ...words, 0, saved.byteOffset, offset], options),
        );
      });
    }
  }

  it('by given statistics is what it was with them', () => {
    const norm = normOf(SIZES[0] as Size, 5);
    const { x, words, size, saved } = norm;
    const [out, again] = [runner.maps(size), runner.maps(size)];
    const weights = runner.floats([...norm.weights, ...new Array(2 * size.maps).fill(0)]);
    const bias = 4 * size.maps;
    const options = { weights, count: 5 };
    runner.run('batchNorm', [x, out, ...words, 0, bias, saved.byteOffset, -1, -1, EPSILON], options);
    for (const [map, cell] of batchCells(norm).entries()) {
      const { mean, variance } = momentsOf(x, cell);
      weights[2 * size.maps + map] = mean;
      weights[3 * size.maps + map] = variance;
    }
    runner.run('batchNormInference', [x, again, ...words, 0, bias, 2 * bias, 3 * bias, EPSILON], options);
    again.each((...place) => assertNear(again.get(...place), out.get(...place), 1e-5));
    assertEmptyLanes(again, 5);
  });

  it('by given statistics scales deltas by weight / sqrt(variance + epsilon), elsewhere and in place', () => {
    for (const size of SIZES) {
      for (const count of COUNTS) {
        const { dy, words, weights } = normOf(size, count);
        const variances = runner.floats([...weights, ...weights.slice(0, size.maps).map((value) => value ** 2)]);
        // What is in the empty lanes mustn't matter.
        dy.fill((...place) => (place[3] < count ? dy.get(...place) : Number.NaN));
        dy.set(0, 0, 0, 0, 2 ** -62);
        const dx = runner.maps(size, 3);
        const backward = (to: MapsInMemory): void =>
          runner.run('batchNormInferenceBackward', [dy, to, ...words, 0, 8 * size.maps, EPSILON], {
            weights: variances,
            count,
          });
        backward(dx);
        dx.each((map, ...place) => {
          if ((place[2] as number) >= count) return;
          const scale = at(weights, map) / Math.sqrt(at(weights, map) ** 2 + EPSILON);
          assertNear(dx.get(map, ...place), scale * dy.get(map, ...place), 1e-6);
        });
        assert.ok(Object.is(dx.get(0, 0, 0, 0), 0), 'what is tiny is flushed');
        assertEmptyLanes(dx, count);
        backward(dy);
        assert.ok(sameBits(dy.values(), dx.values()));
      }
    }
  });

  it('is NaN where a real value is', () => {
    const norm = normOf(SIZES[0] as Size, 3);
    norm.x.set(2, 1, 1, 1, Number.NaN);
    const out = runner.maps(norm.size);
    const values = [norm.x, out, ...norm.words, 0, 4 * norm.size.maps, norm.saved.byteOffset, -1, -1, EPSILON];
    runner.run('batchNorm', values, { weights: norm.weights, count: 3 });
    out.each((map, y, x, lane) => assert.equal(Number.isNaN(out.get(map, y, x, lane)), map === 2 && lane < 3));
  });
});

describe('group norm', () => {
  for (const size of SIZES) {
    for (const groups of [1, 2, size.maps]) {
      it(`agrees with float64 in ${groups} groups of ${size.maps}x${size.height}x${size.width}`, () => {
        for (const count of COUNTS) {
          const norm = normOf(size, count);
          const { x, dy, words, weights, saved } = norm;
          const cells = groupCells(norm, groups);
          const out = runner.maps(size);
          runner.run('groupNorm', [x, out, ...words, groups, 0, 4 * size.maps, saved.byteOffset, EPSILON], {
            weights,
            count,
          });
          assertNormalized(norm, out, cells);
          checkBackward(norm, cells, (dx, offset, options) =>
            runner.run('groupNormBackward', [x, dy, dx, ...words, groups, 0, saved.byteOffset, offset], options),
          );
        }
      });
    }
  }

  it("leaves other samples alone if one's value is NaN", () => {
    const norm = normOf(SIZES[0] as Size, 4);
    norm.x.set(2, 1, 1, 1, Number.NaN);
    const out = runner.maps(norm.size);
    const values = [norm.x, out, ...norm.words, 2, 0, 4 * norm.size.maps, norm.saved.byteOffset, EPSILON];
    runner.run('groupNorm', values, { weights: norm.weights, count: 4 });
    out.each((map, y, x, lane) => assert.equal(Number.isNaN(out.get(map, y, x, lane)), map < 3 && lane === 1));
  });
});
