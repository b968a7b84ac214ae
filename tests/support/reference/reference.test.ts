import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { at } from './arrays.ts';
import { compareTensors } from './compare.ts';
import { headLoss } from './heads.ts';
import { randomSamples, randomWeights, uniformStream } from './random.ts';
import { type ReferenceSample, referenceForward, referenceGradient } from './reference.ts';

// In float64 rounding costs about 1e-8 of a difference at this width, and so narrow a step rarely crosses a ReLU's kink.
const EPSILON = 1e-6;
const TOLERANCE = 1e-6;
const PARAMETERS_PER_TENSOR = 4;
const DIRECTIONS = 4;

// At random weights distances are 80 to 95: at j = 0.1 e^-j drowns the rivals' e^-y, at j = 83 both count.
const MODELS: readonly (readonly [string, ModelSpec])[] = [
  ['softmax', lenet5('softmax', 0)],
  ['RBF, j = 0.1', lenet5('rbf', 0.1)],
  ['RBF, j = 83', lenet5('rbf', 83)],
];

/** 1x1 kernels, so that every value can be followed by hand; the table crosses the maps over. */
const SMALL_MODEL: ModelSpec = {
  name: 'small',
  input: { height: 4, width: 4, padding: 0 },
  layers: [
    { kind: 'conv', name: 'c1', maps: 2, kernel: 1 },
    { kind: 'subsample', name: 's2' },
    { kind: 'conv', name: 'c3', maps: 2, kernel: 1, table: [[1], [0, 1]] },
    { kind: 'subsample', name: 's4' },
    { kind: 'dense', name: 'f5', units: 2, activation: 'relu' },
  ],
  head: { kind: 'softmax', name: 'output', classes: 2 },
};
const SMALL_WEIGHTS = Float64Array.from([
  ...[2, -1, 0.5, 1], // c1: a kernel a map, biases
  ...[0.5, 0.25, -1, 3], // s2: coefficients, biases
  ...[1, -2, 3, 0.5, -1], // c3: kernels from 1 to 0, 0 to 1 and 1 to 1, biases
  ...[0.25, 0.5, 1, -2], // s4: coefficients, biases
  ...[-1, 0.5, 1, -1, 1, 0], // f5: weights by unit, biases
  ...[2, 1, -2, 5, 1, 1], // output: weights by class, biases
]);
/** For an image whose two left columns are 1 and whose two right columns are 0. */
const SMALL_OUTPUTS = [
  [...Array(4).fill([2.5, 2.5, 0.5, 0.5]), ...Array(4).fill([0, 0, 1, 1])].flat(),
  [4, 0, 4, 0, 3, 4, 3, 4],
  [3.5, 4.5, 3.5, 4.5, 0, 11, 0, 11],
  [5, 9],
  [0.5, 0],
  [2, 0],
];

for (const [name, spec] of MODELS) {
  describe(`the reference gradient (${name})`, () => {
    const layout = layoutOf(spec);
    const weights = Float64Array.from(randomWeights(layout, 11));
    const samples = randomSamples(layout, 12, 3);
    const { gradient, lossSum, correct, predictions } = referenceGradient(layout, weights, samples);

    it('matches central differences in parameters of every tensor', () => {
      const uniform = uniformStream(13);
      for (const { name, offset, size } of layout.tensors) {
        const range = gradient.subarray(offset, offset + size);
        const scale = range.reduce((largest, g) => Math.max(largest, Math.abs(g)), 0);
        assert.ok(scale > 0, `${name} has no gradient`);
        for (let n = 0; n < PARAMETERS_PER_TENSOR; n++) {
          const index = offset + Math.floor(((uniform() + 1) / 2) * size);
          const step = (side: number) => weights.map((w, i) => (i === index ? w + side * EPSILON : w));
          const error = Math.abs(at(gradient, index) - slope(layout, step, samples)) / scale;
          assert.ok(error <= TOLERANCE, `${name}, element ${index - offset}: off by ${error} of ${scale}`);
        }
      }
    });

    it('matches central differences along random directions', () => {
      const uniform = uniformStream(14);
      for (let n = 0; n < DIRECTIONS; n++) {
        const direction = weights.map(() => uniform() / Math.sqrt(layout.parameters));
        const expected = direction.reduce((sum, d, i) => sum + d * at(gradient, i), 0);
        const length = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0) / layout.parameters);
        const step = (side: number) => weights.map((w, i) => w + side * EPSILON * at(direction, i));
        const error = Math.abs(expected - slope(layout, step, samples)) / length;
        assert.ok(error <= TOLERANCE, `direction ${n}: ${expected}, off by ${error} of ${length}`);
      }
    });

    it('is the sum over the samples, as are losses and correct classes', () => {
      const alone = samples.map((sample) => referenceGradient(layout, weights, [sample]));
      const sum = gradient.map((_, i) => alone.reduce((total, one) => total + at(one.gradient, i), 0));
      for (const tensor of compareTensors(layout, sum, gradient)) assert.ok(tensor.relative <= 1e-12, tensor.name);
      assert.equal(
        alone.reduce((total, one) => total + one.lossSum, 0),
        lossSum,
      );
      assert.deepEqual(
        alone.flatMap((one) => one.predictions),
        predictions,
      );
      assert.equal(correct, samples.filter((sample, i) => sample.label === predictions[i]).length);
    });

    it('counts a sample as correct when its label is the predicted class', () => {
      const relabelled = samples.map((sample, i) => ({ ...sample, label: at(predictions, i) }));
      assert.equal(referenceGradient(layout, weights, relabelled).correct, samples.length);
    });
  });
}

/** The central difference of the summed loss between `step(1)` and `step(-1)`. */
function slope(layout: ModelLayout, step: (side: number) => Float64Array, samples: readonly ReferenceSample[]): number {
  const loss = (weights: Float64Array) =>
    referenceForward(layout, weights, samples).reduce((sum, { head }) => sum + head.loss, 0);
  return (loss(step(1)) - loss(step(-1))) / (2 * EPSILON);
}

describe('the reference forward pass', () => {
  const layout = layoutOf(lenet5('softmax', 0));

  it('places the shifted image in the padded plane and scales it to 0..1', () => {
    const image = new Uint8Array(28 * 28);
    image[0] = 255;
    image[28 * 28 - 1] = 51;
    const [sample] = referenceForward(layout, randomWeights(layout, 1), [{ image, label: 0, shift: [-2, 1] }]);
    assert.ok(sample);
    const ink = [...sample.input.entries()].filter(([, value]) => value !== 0);
    assert.deepEqual(ink, [
      [3, 1],
      [27 * 32 + 30, 0.2],
    ]);
  });

  it("shows a kernel's taps, mirrored, around a single pixel", () => {
    const weights = randomWeights(layout, 2);
    const image = new Uint8Array(28 * 28);
    image[10 * 28 + 8] = 255; // at row 12, column 10 of the padded plane
    const [sample] = referenceForward(layout, weights, [{ image, label: 0, shift: [0, 0] }]);
    const c1 = sample?.outputs[0];
    assert.ok(c1);
    for (let y = 0; y < 28; y++) {
      for (let x = 0; x < 28; x++) {
        const [row, column] = [12 - y, 10 - x];
        const inside = row >= 0 && row < 5 && column >= 0 && column < 5;
        const bias = at(weights, 150 + 3);
        const tap = inside ? at(weights, 3 * 25 + row * 5 + column) : 0;
        assert.equal(at(c1, (3 * 28 + y) * 28 + x), bias + tap, `row ${y}, column ${x}`);
      }
    }
  });

  it('gives a small model the values worked out by hand', () => {
    const small = layoutOf(SMALL_MODEL);
    const image = Uint8Array.from({ length: 16 }, (_, i) => (i % 4 < 2 ? 255 : 0));
    const [sample] = referenceForward(small, SMALL_WEIGHTS, [{ image, label: 1, shift: [0, 0] }]);
    assert.deepEqual(
      sample?.outputs.map((values) => [...values]),
      SMALL_OUTPUTS,
    );
    assert.equal(sample.head.prediction, 0);
    assert.ok(Math.abs(sample.head.loss - (2 + Math.log(1 + Math.exp(-2)))) <= 1e-15);
  });

  it('squashes by a tanh that keeps 1 and -1, and measures squared distances to the targets', () => {
    const targets = [
      [1, 1],
      [1, -1],
    ];
    const layout = layoutOf({
      name: 'squash',
      input: { height: 1, width: 1, padding: 0 },
      layers: [{ kind: 'dense', name: 'f1', units: 2, activation: 'scaled-tanh' }],
      head: { kind: 'rbf', name: 'output', classes: 2, targets, j: 0.1 },
    });
    const image = new Uint8Array(1);
    const [sample] = referenceForward(layout, Float64Array.of(5, 5, 1, -1), [{ image, label: 0, shift: [0, 0] }]);
    const outputs = sample?.outputs.flatMap((values) => [...values]) ?? [];
    assert.equal(outputs.length, 4);
    for (const [i, expected] of [1, -1, 4, 0].entries()) assert.ok(Math.abs(at(outputs, i) - expected) <= 1e-4);
  });

  it('refuses an image of another size and a shift beyond the padding', () => {
    const weights = randomWeights(layout, 1);
    const sample = { image: new Uint8Array(28 * 28), label: 0, shift: [0, 3] as const };
    assert.throws(() => referenceForward(layout, weights, [sample]), RangeError);
    assert.throws(
      () => referenceForward(layout, weights, [{ ...sample, image: new Uint8Array(1), shift: [0, 0] }]),
      RangeError,
    );
  });
});

describe('the heads', () => {
  const softmax = { kind: 'softmax', name: 'output', classes: 3 } as const;
  const rbf = (j: number) => ({ kind: 'rbf', name: 'output', classes: 3, targets: [], j }) as const;

  it('agree with the formulas as they are written where nothing overflows', () => {
    const values = Float64Array.of(1.5, 0.25, 2);
    const powers = (sign: number) => values.reduce((sum, v) => sum + Math.exp(sign * v), 0);
    assert.ok(Math.abs(headLoss(softmax, values, 1).loss - (Math.log(powers(1)) - 0.25)) <= 1e-14);
    for (const j of [0.1, 3]) {
      const expected = 0.25 + Math.log(Math.exp(-j) + powers(-1));
      assert.ok(Math.abs(headLoss(rbf(j), values, 1).loss - expected) <= 1e-14, `j = ${j}`);
    }
  });

  it('stay finite far from zero', () => {
    assert.equal(headLoss(softmax, Float64Array.of(-5000, 5000, 0), 0).loss, 10_000);
    assert.equal(headLoss(rbf(5000), Float64Array.of(4000, 2000, 3000), 0).loss, 2000);
    assert.equal(headLoss(rbf(1000), Float64Array.of(4000, 2000, 3000), 0).loss, 3000);
  });

  it('predict the highest logit or the lowest distance, the first among equals', () => {
    assert.equal(headLoss(softmax, Float64Array.of(1, 3, 3), 0).prediction, 1);
    assert.equal(headLoss(rbf(0.1), Float64Array.of(3, 1, 1), 0).prediction, 1);
  });
});
