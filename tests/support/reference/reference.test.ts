import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../models.ts';
import { at } from './arrays.ts';
import { compareTensors } from './compare.ts';
import { flatForward, flatGradient } from './flat.ts';
import { headLoss } from './heads.ts';
import { found, INPUT } from './network.ts';
import { randomSamples, randomWeights } from './random.ts';
import { type Batch, referenceForward, referenceGradient } from './reference.ts';
import type { LayerSpec, NetworkSpec } from './spec.ts';

const WINDOW = { kernel: [1, 1], stride: [1, 1], padding: 'valid', groups: 1, bias: true } as const;

/** 1x1 kernels, so that every value can be followed by hand; the table crosses the maps over. */
const SMALL: NetworkSpec = {
  name: 'small',
  input: { maps: 1, height: 4, width: 4 },
  layers: [
    { kind: 'conv', name: 'c1', inputs: [INPUT], maps: 2, ...WINDOW },
    { kind: 'subsample', name: 's2', inputs: ['c1'] },
    { kind: 'relu', name: 'r2', inputs: ['s2'] },
    { kind: 'conv', name: 'c3', inputs: ['r2'], maps: 2, ...WINDOW, table: [[1], [0, 1]] },
    { kind: 'dense', name: 'f5', inputs: ['c3'], units: 2, bias: true },
  ],
  head: { kind: 'softmax' },
};
const SMALL_WEIGHTS = {
  'c1.weight': [2, -1],
  'c1.bias': [0.5, 1],
  's2.coefficient': [0.5, 0.25],
  's2.bias': [-1, 3],
  'c3.weight': [1, -2, 3], // from 1 to 0, 0 to 1 and 1 to 1
  'c3.bias': [0.5, -1],
  'f5.weight': [1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0],
  'f5.bias': [0, -10],
};
/** For an image whose two left columns are 1 and whose two right columns are 0. */
const SMALL_VALUES = {
  c1: [...Array(4).fill([2.5, 2.5, 0.5, 0.5]), ...Array(4).fill([0, 0, 1, 1])].flat(),
  s2: [4, 0, 4, 0, 3, 4, 3, 4],
  r2: [4, 0, 4, 0, 3, 4, 3, 4],
  c3: [3.5, 4.5, 3.5, 4.5, 0, 11, 0, 11],
  f5: [19, 4.5],
};

function batchOf(inputs: readonly (readonly number[])[], targets: Batch['targets'], rest: Partial<Batch> = {}): Batch {
  const samples = inputs.map((values) => Float64Array.from(values));
  return { inputs: samples, targets, shardSize: inputs.length, training: true, seed: 1, first: 0, ...rest };
}

function parametersOf(tensors: Readonly<Record<string, readonly number[]>>) {
  return new Map(Object.entries(tensors).map(([name, values]) => [name, Float64Array.from(values)]));
}

/** A network of one layer, without classes. */
function alone(layer: LayerSpec, maps: number, height: number, width: number): NetworkSpec {
  return { name: 'alone', input: { maps, height, width }, layers: [layer], head: { kind: 'mse' } };
}

describe('the reference', () => {
  it('gives a small model the values worked out by hand', () => {
    const image = Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 1 : 0));
    const { traces, lossSum, predictions } = referenceForward(
      SMALL,
      parametersOf(SMALL_WEIGHTS),
      batchOf([image], [[1]]),
    );
    for (const [name, expected] of Object.entries(SMALL_VALUES)) {
      assert.deepEqual([...at(found(at(traces, 0).values, name), 0)], expected, name);
    }
    assert.deepEqual(predictions, [0]);
    assert.ok(Math.abs(lossSum - (14.5 + Math.log(1 + Math.exp(-14.5)))) <= 1e-14);
  });

  it("shows a kernel's taps, mirrored, around a single pixel of a shifted and padded image", () => {
    const layout = layoutOf(lenet5('softmax'));
    const weights = randomWeights(layout, 2);
    const image = new Uint8Array(28 * 28);
    image[11 * 28 + 7] = 51; // at row 12, column 10 of the padded plane
    const { traces } = flatForward(layout, weights, [{ image, label: 0, shift: [-1, 1] }]);
    const c1 = at(found(at(traces, 0).values, 'c1'), 0);
    for (let y = 0; y < 28; y++) {
      for (let x = 0; x < 28; x++) {
        const [row, column] = [12 - y, 10 - x];
        const inside = row >= 0 && row < 5 && column >= 0 && column < 5;
        const tap = inside ? at(weights, 3 * 25 + row * 5 + column) : 0;
        assert.equal(at(c1, (3 * 28 + y) * 28 + x), at(weights, 150 + 3) + 0.2 * tap, `row ${y}, column ${x}`);
      }
    }
  });

  it('sums over the samples, and counts a sample whose label is the predicted class', () => {
    const layout = layoutOf(lenet5('rbf'));
    const weights = randomWeights(layout, 11);
    const samples = randomSamples(layout, 12, 3);
    const { gradient, lossSum, predictions } = flatGradient(layout, weights, samples);
    const each = samples.map((sample) => flatGradient(layout, weights, [sample]));
    const sum = gradient.map((_, i) => each.reduce((total, one) => total + at(one.gradient, i), 0));
    for (const tensor of compareTensors(layout, sum, gradient)) assert.ok(tensor.relative <= 1e-12, tensor.name);
    assert.equal(
      each.reduce((total, one) => total + one.lossSum, 0),
      lossSum,
    );
    const relabelled = samples.map((sample, i) => ({ ...sample, label: at(predictions, i) }));
    assert.equal(flatGradient(layout, weights, relabelled).correct, samples.length);
  });

  it('norms a block by its own statistics, sums them up, and evaluates by the running ones', () => {
    const norm = { kind: 'batch-norm', name: 'n', inputs: [INPUT], momentum: 0.1, epsilon: 0 } as const;
    const network = alone(norm, 1, 1, 2);
    const parameters = parametersOf({ 'n.weight': [2], 'n.bias': [1], 'n.running_mean': [3], 'n.running_var': [4] });
    const pairs = [...Array(8).fill([1, 3]), [5, 11], [5, 11]];
    const batch = batchOf(
      pairs,
      pairs.map(() => [0, 0]),
    );
    // Blocks of 8 and 2 samples: means 2 and 8, variances 1 and 9.
    const { outputs, gradient } = referenceGradient(network, parameters, batch);
    for (const y of outputs) assert.deepEqual([...y], [-1, 3]);
    assert.deepEqual([...found(gradient, 'n.running_mean')], [8 * 2 + 2 * 8]);
    assert.deepEqual([...found(gradient, 'n.running_var')], [8 * 1 + 2 * 9]);
    const evaluated = referenceForward(network, parameters, { ...batch, training: false });
    assert.deepEqual([...at(evaluated.outputs, 9)], [1 + (2 * (5 - 3)) / 2, 1 + (2 * (11 - 3)) / 2]);
  });

  it('drops the values of a sample by its position alone, and none in evaluation', () => {
    const dropout = { kind: 'dropout', name: 'd', inputs: [INPUT], rate: 0.25 } as const;
    const network = alone(dropout, 2, 20, 20);
    const ones = Array(800).fill(1);
    const targets = [ones, ones, ones];
    const first = 2 ** 32 - 1;
    const { outputs } = referenceForward(network, new Map(), batchOf([ones, ones, ones], targets, { first }));
    const later = referenceForward(network, new Map(), batchOf([ones], [ones], { first: first + 2 }));
    assert.deepEqual(at(later.outputs, 0), at(outputs, 2));
    assert.notDeepEqual(at(outputs, 0), at(outputs, 1));
    const kept = outputs.map((y) => y.filter((value) => value === Math.fround(4 / 3)).length);
    const dropped = outputs.map((y) => y.filter((value) => value === 0).length);
    for (const [i, count] of dropped.entries()) {
      assert.equal(count + at(kept, i), 800);
      assert.ok(count > 150 && count < 250);
    }
    const evaluated = referenceForward(network, new Map(), batchOf([ones], [ones], { training: false }));
    assert.deepEqual([...at(evaluated.outputs, 0)], ones);
  });
});

describe('the heads of the reference', () => {
  const softmax = { kind: 'softmax' } as const;
  // With one unit and a target of 0 the distance is the value's square.
  const rbf = (j: number) => ({ kind: 'rbf', targets: [[0], [1], [-2]], j }) as const;

  it('agree with the formulas as they are written where nothing overflows', () => {
    const values = Float64Array.of(1.5, 0.25, 2);
    const powers = (all: Float64Array) => all.reduce((sum, v) => sum + Math.exp(v), 0);
    assert.ok(Math.abs(headLoss(softmax, values, [1]).loss - (Math.log(powers(values)) - 0.25)) <= 1e-14);
    const distances = [0.25, 0.25, 6.25];
    for (const j of [0.1, 3]) {
      const expected = 0.25 + Math.log(Math.exp(-j) + powers(Float64Array.from(distances, (y) => -y)));
      assert.ok(Math.abs(headLoss(rbf(j), Float64Array.of(0.5), [1]).loss - expected) <= 1e-14, `j = ${j}`);
    }
  });

  it('stay finite far from zero', () => {
    assert.equal(headLoss(softmax, Float64Array.of(-5000, 5000, 0), [0]).loss, 10_000);
    assert.equal(headLoss(rbf(5e6), Float64Array.of(-2000), [0]).loss, 2000 ** 2 - 1998 ** 2);
    assert.equal(headLoss(rbf(1000), Float64Array.of(100), [0]).loss, 100 ** 2 - 1000);
    assert.equal(headLoss({ kind: 'sigmoid' }, Float64Array.of(-5000, 5000), [1, 1]).loss, 2500);
  });

  it('count the highest score or the lowest distance, the first among equals, and labels that are all right', () => {
    assert.ok(headLoss(softmax, Float64Array.of(1, 3, 3), [1]).correct);
    assert.ok(headLoss(rbf(0.1), Float64Array.of(0.5), [0]).correct);
    assert.ok(headLoss({ kind: 'sigmoid' }, Float64Array.of(1, -1), [1, 0]).correct);
    assert.ok(!headLoss({ kind: 'sigmoid' }, Float64Array.of(1, -1), [1, 1]).correct);
  });
});
