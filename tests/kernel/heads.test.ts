// The heads of any network, through the interpreter; softmax and RBF by themselves: math.test.ts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationRunner } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';
import { uniformStream } from '../support/reference/random.ts';

const LANES = 8;
const runner = new OperationRunner();
const loss = runner.memory.float64(1);
const predictions = runner.memory.int32(LANES);
const labels = runner.memory.int32(LANES);

/** Logits f32 [outputs][LANES] of a magnitude; empty lanes hold NaN. */
function logits(outputs: number, count: number, scale: number): Float32Array {
  const uniform = uniformStream(outputs * count);
  return runner.floats(
    Array.from({ length: outputs * LANES }, (_, i) => (i % LANES < count ? scale * uniform() : Number.NaN)),
  );
}

function assertNear(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `expected ${expected}, got ${actual}`);
}

function assertDeltas(
  d: Float32Array,
  outputs: number,
  count: number,
  expected: (output: number, lane: number) => number,
): void {
  for (let i = 0; i < outputs * LANES; i++) {
    const [output, lane] = [Math.floor(i / LANES), i % LANES];
    if (lane < count) assertNear(at(d, i), expected(output, lane), 1e-6);
    else assert.ok(Object.is(at(d, i), 0));
  }
}

describe('softmax with smoothing and class weights', () => {
  const CLASSES = 7;
  const weightOf = runner.floats([0.5, 1, 2, 0, 1.5, 3, 0.25]);

  /** What the class k of a sample with a label has as its weight. */
  const WEIGHTS: Readonly<Record<string, (label: number, k: number) => number>> = {
    none: () => 1,
    "the label's": (label) => at(weightOf, label),
    "each term's": (_, k) => at(weightOf, k),
  };

  /** @returns loss and deltas [class] of one sample in float64 */
  function reference(z: readonly number[], label: number, smoothing: number, weight: (k: number) => number) {
    const largest = Math.max(...z);
    const all = Math.log(z.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest;
    const targets = z.map((_, k) => weight(k) * ((k === label ? 1 - smoothing : 0) + smoothing / z.length));
    const sum = targets.reduce((before, target) => before + target, 0);
    return {
      loss: z.reduce((before, value, k) => before + at(targets, k) * (all - value), 0),
      deltas: z.map((value, k) => sum * Math.exp(value - all) - at(targets, k)),
    };
  }

  for (const smoothing of [0, 0.1, 1]) {
    for (const [whose, weight] of Object.entries(WEIGHTS)) {
      it(`agrees with float64, smoothing ${smoothing}, weights: ${whose}`, () => {
        for (let count = 1; count <= LANES; count++) {
          const z = logits(CLASSES, count, 4);
          labels.fill(-1);
          for (let lane = 0; lane < count; lane++) labels[lane] = (3 * lane + count) % CLASSES;
          const samples = Array.from({ length: count }, (_, lane) => {
            const values = Array.from({ length: CLASSES }, (_, k) => at(z, k * LANES + lane));
            const label = at(labels, lane);
            return { values, ...reference(values, label, smoothing, (k) => weight(label, k)) };
          });
          const d = runner.memory.float32(CLASSES * LANES);
          const places = [d, predictions, loss].map(({ byteOffset }) => byteOffset);
          const weights = whose === 'none' ? 0 : weightOf.byteOffset;
          const values = [z.byteOffset, labels.byteOffset, CLASSES, ...places, smoothing, weights];
          runner.run(whose === "each term's" ? 'weightedSoftmaxHead' : 'smoothedSoftmaxHead', values, { count });
          assertNear(
            at(loss, 0),
            samples.reduce((sum, each) => sum + each.loss, 0),
            1e-5 * count,
          );
          assertDeltas(d, CLASSES, count, (k, lane) => samples[lane]?.deltas[k] as number);
          for (const [lane, { values }] of samples.entries())
            assert.equal(predictions[lane], values.indexOf(Math.max(...values)));
        }
      });
    }
  }

  for (const operation of ['smoothedSoftmaxHead', 'weightedSoftmaxHead'] as const) {
    const ones = operation === 'weightedSoftmaxHead' ? runner.floats([1, 1, 1, 1, 1, 1, 1]).byteOffset : 0;
    it(`${operation} without either has the loss of the plain head, for logits of -Infinity too`, () => {
      const z = logits(CLASSES, LANES, 4);
      z[3 * LANES + 2] = Number.NEGATIVE_INFINITY;
      for (let lane = 0; lane < LANES; lane++) labels[lane] = lane % 3;
      const [d, plain] = [runner.memory.float32(CLASSES * LANES), runner.memory.float32(CLASSES * LANES)];
      const common = [z.byteOffset, labels.byteOffset, CLASSES];
      runner.run('softmaxHead', [...common, plain.byteOffset, predictions.byteOffset, loss.byteOffset]);
      const expected = at(loss, 0);
      const rest = [d.byteOffset, predictions.byteOffset, loss.byteOffset, 0, ones];
      runner.run(operation, [...common, ...rest]);
      assertNear(at(loss, 0), expected, 1e-6 * expected);
      assert.deepEqual(d, plain);
      runner.run(operation, [...common, z.byteOffset, ...rest.slice(1)]);
      assert.deepEqual(z, plain);
    });
  }
});

const OUTPUTS = 5;
const SAMPLES = 9;

/** Which samples, with nonsense in the empty lanes. */
function indicesOf(count: number): Int32Array {
  return runner.ints([8, 0, 3, 3, 7, 1, 6, 2].map((index, lane) => (lane < count ? index : 1e9)));
}

describe('sigmoid', () => {
  const targets = runner.floats(
    Array.from({ length: SAMPLES * OUTPUTS }, (_, i) => [0, 1, 0.25, 1][(i * 7) % 4] as number),
  );

  it('agrees with float64, from nothing to large logits', () => {
    for (const scale of [1e-3, 1, 30, 3e4]) {
      for (let count = 1; count <= LANES; count++) {
        const z = logits(OUTPUTS, count, scale);
        const indices = indicesOf(count);
        const d = runner.memory.float32(OUTPUTS * LANES);
        const places = [d, predictions, loss, indices].map(({ byteOffset }) => byteOffset);
        runner.run('sigmoidHead', [z.byteOffset, OUTPUTS, ...places], { count, targets });
        const target = (k: number, lane: number): number => at(targets, at(indices, lane) * OUTPUTS + k);
        let expected = 0;
        for (let lane = 0; lane < count; lane++) {
          let right = true;
          for (let k = 0; k < OUTPUTS; k++) {
            const [value, t] = [at(z, k * LANES + lane), target(k, lane)];
            expected += (Math.max(value, 0) - value * t + Math.log1p(Math.exp(-Math.abs(value)))) / OUTPUTS;
            right &&= value > 0 === t > 0.5;
          }
          assert.equal(predictions[lane], Number(right));
        }
        assertNear(at(loss, 0), expected, 1e-6 * (count + expected));
        assertDeltas(
          d,
          OUTPUTS,
          count,
          (k, lane) => (1 / (1 + Math.exp(-at(z, k * LANES + lane))) - target(k, lane)) / OUTPUTS,
        );
        runner.run('sigmoidHead', [z.byteOffset, OUTPUTS, z.byteOffset, ...places.slice(1)], { count, targets });
        assert.deepEqual(z, d);
      }
    }
  });

  it('is NaN where a logit is', () => {
    const z = logits(OUTPUTS, 3, 1);
    z[2 * LANES + 1] = Number.NaN;
    const d = runner.memory.float32(OUTPUTS * LANES);
    const places = [d, predictions, loss, indicesOf(3)].map(({ byteOffset }) => byteOffset);
    runner.run('sigmoidHead', [z.byteOffset, OUTPUTS, ...places], { count: 3, targets });
    assert.ok(Number.isNaN(at(loss, 0)) && Number.isNaN(at(d, 2 * LANES + 1)));
  });
});

describe('mean squared error', () => {
  it('agrees with float64', () => {
    const targets = runner.randomFloats(SAMPLES * OUTPUTS, 3);
    for (let count = 1; count <= LANES; count++) {
      const z = logits(OUTPUTS, count, 2);
      const indices = indicesOf(count);
      const d = runner.memory.float32(OUTPUTS * LANES);
      const places = [d, loss, indices].map(({ byteOffset }) => byteOffset);
      runner.run('mseHead', [z.byteOffset, OUTPUTS, ...places], { count, targets });
      const difference = (k: number, lane: number): number =>
        at(z, k * LANES + lane) - at(targets, at(indices, lane) * OUTPUTS + k);
      let expected = 0;
      for (let k = 0; k < OUTPUTS; k++)
        for (let lane = 0; lane < count; lane++) expected += difference(k, lane) ** 2 / OUTPUTS;
      assertNear(at(loss, 0), expected, 1e-12);
      assertDeltas(d, OUTPUTS, count, (k, lane) => (2 * difference(k, lane)) / OUTPUTS);
      runner.run('mseHead', [z.byteOffset, OUTPUTS, z.byteOffset, ...places.slice(1)], { count, targets });
      assert.deepEqual(z, d);
    }
  });
});
