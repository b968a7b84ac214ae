// The kernel's exp, log, tanh and cos aren't exported: they are tested where they reach the weights.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { TANH_AMPLITUDE, TANH_SLOPE } from '#src/shared/model/layers/activation.js';
import { LANES } from '#src/shared/model/layers/emit.js';
import { at } from '../support/reference/arrays.ts';

const CLASSES = 10;
const UNITS = 6;
const MAX_CLASSES = 1000;
const SCALED_TANH = 2;
/** Float32 roundings of a few operations. */
const SINGLE = 1e-6;
/** Half of the largest float32: the difference of two such values is still one. */
const HUGE = 2 ** 126;

const memory = new SharedMemory();
const kernel = instantiateKernel(compileKernel(), memory.memory);
// [feature][LANES] each, as the kernel has activations.
const z = memory.float32(MAX_CLASSES * LANES);
const d = memory.float32(MAX_CLASSES * LANES);
const x = memory.float32(UNITS * LANES);
const distances = memory.float32(CLASSES * LANES);
const targets = memory.float32(CLASSES * UNITS);
const labels = memory.int32(LANES);
const predictions = memory.int32(LANES);
targets.forEach((_, i) => {
  targets[i] = (7 * i) % 5 < 2 ? 1 : -1;
});

/** One sample's values by feature, in a lane. */
function setLane(target: Float32Array, lane: number, values: readonly number[]): void {
  for (const [feature, value] of values.entries()) target[feature * LANES + lane] = value;
}

function lane(source: Float32Array, features: number, index: number): number[] {
  return Array.from({ length: features }, (_, feature) => at(source, feature * LANES + index));
}

interface Sample {
  readonly values: readonly number[];
  readonly label: number;
}

/** @returns the loss sum; deltas are in `d` */
function softmax(samples: readonly Sample[], classes = CLASSES): number {
  // What lies in the empty lanes must not matter.
  z.fill(Number.NaN);
  labels.fill(-1);
  samples.forEach(({ values, label }, i) => {
    setLane(z, i, values);
    labels[i] = label;
  });
  return kernel.softmaxHead(
    z.byteOffset,
    labels.byteOffset,
    samples.length,
    classes,
    d.byteOffset,
    predictions.byteOffset,
  );
}

/** As `softmax`, with dE/dx in `d`. */
function rbf(samples: readonly Sample[], j: number): number {
  x.fill(Number.NaN);
  labels.fill(-1);
  samples.forEach(({ values, label }, i) => {
    setLane(x, i, values);
    labels[i] = label;
  });
  return kernel.rbfHead(
    x.byteOffset,
    targets.byteOffset,
    labels.byteOffset,
    samples.length,
    CLASSES,
    UNITS,
    j,
    distances.byteOffset,
    d.byteOffset,
    predictions.byteOffset,
  );
}

/** log of the sum of exponentials, in float64. */
function logSumExp(exponents: readonly number[]): number {
  const largest = Math.max(...exponents);
  return largest + Math.log(exponents.reduce((sum, exponent) => sum + Math.exp(exponent - largest), 0));
}

function referenceSoftmax({ values, label }: Sample): { loss: number; deltas: number[] } {
  // Differences first: beside a large logit a logarithm is lost.
  const largest = Math.max(...values);
  const all = logSumExp(values.map((value) => value - largest));
  return {
    loss: all + (largest - at(values, label)),
    deltas: values.map((value, k) => Math.exp(value - largest - all) - (k === label ? 1 : 0)),
  };
}

function referenceDistances(values: readonly number[]): number[] {
  return Array.from({ length: CLASSES }, (_, k) =>
    values.reduce((sum, value, u) => sum + (value - at(targets, k * UNITS + u)) ** 2, 0),
  );
}

/** Values of one magnitude, from vanishing to huge. */
function valuesUpTo(largest: number, count: number): fc.Arbitrary<number[]> {
  const exponent = Math.log10(largest);
  return fc.double({ min: -6, max: exponent, noNaN: true }).chain((power) =>
    fc.array(
      fc.double({ min: -1, max: 1, noNaN: true }).map((value) => Math.fround(value * 10 ** power)),
      { minLength: count, maxLength: count },
    ),
  );
}

function samplesOf(values: fc.Arbitrary<number[]>): fc.Arbitrary<Sample[]> {
  return fc.array(fc.record({ values, label: fc.nat({ max: CLASSES - 1 }) }), { minLength: 1, maxLength: LANES });
}

describe('the softmax head', () => {
  it('agrees with float64 for logits from nothing to the edge of float32', () => {
    fc.assert(
      fc.property(samplesOf(valuesUpTo(HUGE, CLASSES)), (samples) => {
        const references = samples.map(referenceSoftmax);
        const expected = references.reduce((sum, { loss }) => sum + loss, 0);
        const loss = softmax(samples);
        assert.ok(
          Math.abs(loss - expected) <= SINGLE * (samples.length + expected),
          `expected ${expected}, got ${loss}`,
        );
        references.forEach(({ deltas }, i) => {
          for (const [k, delta] of lane(d, CLASSES, i).entries()) {
            assert.ok(Math.abs(delta - at(deltas, k)) <= SINGLE, `delta ${k}: expected ${deltas[k]}, got ${delta}`);
          }
        });
        for (let i = samples.length; i < LANES; i++) assert.ok(lane(d, CLASSES, i).every((delta) => delta === 0));
      }),
      { numRuns: 500 },
    );
  });

  it('survives the widest margins', () => {
    const values = [HUGE, -HUGE, ...new Array<number>(CLASSES - 2).fill(0)];
    assert.equal(softmax([{ values, label: 0 }]), 0);
    assert.equal(softmax([{ values, label: 1 }]), 2 * HUGE);
    assert.deepEqual(lane(d, 3, 0), [1, -1, 0]);
    assert.equal(softmax([{ values: values.map((value) => (value === -HUGE ? -Infinity : value)), label: 0 }]), 0);
  });

  it("has log's bits to float64's precision: equal logits of any number of classes", () => {
    for (let classes = 1; classes <= MAX_CLASSES; classes++) {
      const loss = softmax([{ values: new Array<number>(classes).fill(-3), label: classes - 1 }], classes);
      assert.ok(
        Math.abs(loss - Math.log(classes)) <= 4 * Number.EPSILON * Math.log(classes),
        `log ${classes}: ${loss}`,
      );
    }
  });

  it("has exp's probabilities to float32's precision, and none behind a margin of 42", () => {
    for (let margin = 0; margin <= 41; margin += 1 / 64) {
      softmax([{ values: [0, -margin], label: 0 }], 2);
      const expected = Math.exp(-margin) / (1 + Math.exp(-margin));
      assert.ok(Math.abs(at(lane(d, 2, 0), 1) / expected - 1) <= 5e-7, `margin ${margin}`);
    }
    for (const margin of [42, 88, 104, 1e4, HUGE]) {
      softmax([{ values: [0, -margin], label: 0 }], 2);
      assert.deepEqual(lane(d, 2, 0).map(Math.abs), [0, 0]);
    }
  });

  it('is NaN where a logit is, or where one is infinite', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (let k = 0; k < CLASSES; k++) {
        const values = Array.from({ length: CLASSES }, (_, i) => (i === k ? bad : i));
        for (const label of [0, k, CLASSES - 1])
          assert.ok(Number.isNaN(softmax([{ values, label }])), `${bad} at ${k}`);
      }
    }
  });
});

describe('the RBF head', () => {
  const constants = fc.constantFrom(0, 0.1, 1, 30, 83, 1000);

  it('agrees with float64 for units from nothing to 1e15', () => {
    fc.assert(
      fc.property(samplesOf(valuesUpTo(1e15, UNITS)), constants, (samples, j) => {
        let expected = 0;
        let scale = 0;
        for (const { values, label } of samples) {
          const y = referenceDistances(values);
          expected += at(y, label) + logSumExp([-j, ...y.map((distance) => -distance)]);
          scale += 1 + Math.max(...y);
        }
        const loss = rbf(samples, j);
        assert.ok(Math.abs(loss - expected) <= SINGLE * scale, `expected ${expected}, got ${loss}`);
        for (let i = 0; i < samples.length; i++) assert.ok(lane(d, UNITS, i).every(Number.isFinite));
        for (let i = samples.length; i < LANES; i++)
          assert.ok(lane(d, UNITS, i).every((delta) => !(Math.abs(delta) > 0)));
      }),
      { numRuns: 500 },
    );
  });

  it('is NaN where a unit is', () => {
    for (let u = 0; u < UNITS; u++) {
      const values = Array.from({ length: UNITS }, (_, i) => (i === u ? Number.NaN : 1));
      for (const j of [0, 1000]) assert.ok(Number.isNaN(rbf([{ values, label: 3 }], j)));
    }
  });
});

describe('the scaled tanh', () => {
  const ACTIVATIONS = 4;
  const weight = memory.float32(ACTIVATIONS).fill(1);
  const bias = memory.float32(ACTIVATIONS);
  const input = memory.float32(LANES);
  const output = memory.float32(ACTIVATIONS * LANES);

  /** A tanh(S a) of up to LANES values, through a dense layer of weights 1. */
  function scaledTanh(values: readonly number[]): number[] {
    input.fill(0);
    input.set(values);
    kernel.denseForward(
      weight.byteOffset,
      bias.byteOffset,
      input.byteOffset,
      1,
      ACTIVATIONS,
      SCALED_TANH,
      output.byteOffset,
    );
    return [...output.subarray(0, values.length)];
  }

  it('agrees with float64 from -20 to 20 and for tiny values', () => {
    const wide = Array.from({ length: 20_001 }, (_, i) => Math.fround((i - 10_000) / 500));
    const tiny = Array.from({ length: 119 }, (_, i) => 10 ** -(i / 3.2)).flatMap((value) => [value, -value]);
    for (const value of [...wide, ...tiny.map(Math.fround)]) {
      const [actual = Number.NaN] = scaledTanh([value]);
      const expected = TANH_AMPLITUDE * Math.tanh(TANH_SLOPE * value);
      assert.ok(
        Math.abs(actual - expected) <= SINGLE * Math.abs(expected),
        `at ${value}: expected ${expected}, got ${actual}`,
      );
    }
  });

  it('has the amplitude and the slope of the model', () => {
    assert.deepEqual([TANH_AMPLITUDE, TANH_SLOPE], [1.7159, 2 / 3]);
    // So close to 0, tanh(x) is x.
    const tiny = 2 ** -30;
    const [amplitude, slope] = [Math.fround(TANH_AMPLITUDE), Math.fround(TANH_SLOPE)];
    assert.deepEqual(scaledTanh([Number.POSITIVE_INFINITY, tiny]), [amplitude, Math.fround(amplitude * slope * tiny)]);
  });

  it('is odd, has its limits, and lets NaN through', () => {
    for (const value of [1e-30, 0.1, 0.9374, 0.9376, 1, 5, 19, 1e30]) {
      const [right = Number.NaN, left = Number.NaN] = scaledTanh([value, -value]);
      assert.equal(right, -left);
    }
    const { POSITIVE_INFINITY: infinity, NaN: nan } = Number;
    const limit = Math.fround(TANH_AMPLITUDE);
    assert.deepEqual(scaledTanh([infinity, -infinity, 1e38, nan, 0]), [limit, -limit, limit, nan, 0]);
  });
});

describe('the cosine of the learning rate', () => {
  it('agrees with Math.cos to 1e-15', () => {
    for (const total of [1, 2, 3, 7, 100, 9999, 4_294_967_295]) {
      for (let i = 0; i <= 1000; i++) {
        const t = Math.floor((total * i) / 1000);
        // Twice base · (1 + cos) / 2, with base 1: t = total is the end, where the rate is 0.
        const actual = 2 * kernel.learningRate(1, 0, total, true, t) - 1;
        const expected = Math.cos((Math.PI * t) / total);
        assert.ok(Math.abs(actual - expected) <= 1e-15, `cos(pi ${t}/${total}): expected ${expected}, got ${actual}`);
      }
    }
  });
});
