import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { initialWeights } from '#src/shared/model/initialize.js';
import type { TensorLayout } from '#src/shared/model/layers/placed-layer.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { PURPOSE, philox } from '#src/shared/util/philox.js';
import { lenet5 } from '../../support/models.ts';

const GOLDEN_SEED_1 = '62d1ea920b633ca229a2dd42e7f323bc5d6d33fce4ce47a4becb34e1c3740802';
const layout = layoutOf(lenet5('softmax'));

function tensorOf(model: ModelLayout, name: string): TensorLayout {
  const tensor = model.tensors.find((candidate) => candidate.name === name);
  assert.ok(tensor, name);
  return tensor;
}

function valuesOf(weights: Float32Array, { offset, size }: TensorLayout): number[] {
  return [...weights.subarray(offset, offset + size)];
}

test('seed 1 begins LeNet-5 with the bits that it always did', { skip: endianness() !== 'LE' }, () => {
  const weights = initialWeights(layout, 1, Math.sqrt);
  const bytes = new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength);
  assert.equal(createHash('sha256').update(bytes).digest('hex'), GOLDEN_SEED_1);
});

test('a model may ask for the bounds of PyTorch, sqrt(6) times narrower', () => {
  const he = initialWeights(layout, 1, Math.sqrt);
  const spec = { ...layout.spec, initialization: 'pytorch-uniform' } as const;
  const narrow = initialWeights({ ...layout, spec }, 1, Math.sqrt);
  for (const tensor of layout.tensors) {
    const ratio = tensor.fanIn.length > 0 ? Math.sqrt(6) : 1;
    for (const [i, weight] of valuesOf(narrow, tensor).entries()) {
      const expected = (he[tensor.offset + i] as number) / ratio;
      assert.ok(Math.abs(weight - expected) <= 1e-6 * Math.abs(expected), `${tensor.name}: ${weight}, ${expected}`);
    }
  }
});

test('biases are 0 and coefficients 0.25; both are all that is not random', () => {
  for (const head of ['softmax', 'rbf'] as const) {
    const model = layoutOf(lenet5(head));
    const weights = initialWeights(model, 3, Math.sqrt);
    assert.equal(weights.length, model.parameters);
    for (const tensor of model.tensors) {
      const distinct = new Set(valuesOf(weights, tensor));
      if (tensor.name.endsWith('.bias')) assert.deepEqual([...distinct], [0], tensor.name);
      else if (tensor.name.endsWith('.coefficient')) assert.deepEqual([...distinct], [0.25], tensor.name);
      else assert.ok(distinct.size > 0.99 * tensor.size, tensor.name);
    }
  }
});

test('weights are uniform between the bounds of their fan-in', () => {
  const weights = initialWeights(layout, 1, Math.sqrt);
  for (const tensor of layout.tensors.filter(({ fanIn }) => fanIn.length > 0)) {
    const stride = tensor.size / tensor.fanIn.length;
    // In units of each weight's own bound, so that C3's kernels of unequal fan-in can be pooled.
    const scaled = valuesOf(weights, tensor).map((weight, i) => {
      const inputs = tensor.fanIn[Math.floor(i / stride)] as number;
      return weight / Math.fround(Math.sqrt(6 / inputs));
    });
    assert.ok(
      scaled.every((weight) => weight >= -1 && weight <= 1),
      tensor.name,
    );
    // Mean 0, mean square 1/3 and mean fourth power 1/5, each to five standard errors.
    const mean = (power: number) => scaled.reduce((sum, weight) => sum + weight ** power, 0) / tensor.size;
    const error = 5 / Math.sqrt(tensor.size);
    assert.ok(Math.abs(mean(1)) < error * Math.sqrt(1 / 3), tensor.name);
    assert.ok(Math.abs(mean(2) - 1 / 3) < error * Math.sqrt(4 / 45), tensor.name);
    assert.ok(Math.abs(mean(4) - 1 / 5) < error * Math.sqrt(16 / 225), tensor.name);
  }
});

test("C3's kernels have the fan-in of their output map", () => {
  const weights = initialWeights(layout, 1, Math.sqrt);
  const tensor = tensorOf(layout, 'c3.weight');
  const largest = (leading: number) =>
    Math.max(...weights.subarray(tensor.offset + leading * 25, tensor.offset + (leading + 1) * 25).map(Math.abs));
  const fewest = [...Array(18).keys()].map(largest); // maps 0 to 5 have three inputs
  const most = [...Array(6).keys()].map((i) => largest(54 + i)); // map 15 has six
  assert.ok(Math.max(...fewest) <= Math.fround(Math.sqrt(6 / 75)));
  assert.ok(Math.max(...fewest) > Math.sqrt(6 / 150));
  assert.ok(Math.max(...most) <= Math.fround(Math.sqrt(6 / 150)));
});

test('a weight is a function of the seed, its offset and its fan-in', () => {
  const random = layout.tensors.filter(({ fanIn }) => fanIn.length > 0);
  const cases = fc.record({ seed: fc.maxSafeNat(), tensor: fc.constantFrom(...random), at: fc.nat() });
  fc.assert(
    fc.property(cases, ({ seed, tensor, at }) => {
      const within = at % tensor.size;
      const offset = tensor.offset + within;
      const block = new Uint32Array(4);
      const key = Uint32Array.from([seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
      philox(Uint32Array.from([Math.floor(offset / 4), 0, 0, PURPOSE.initialWeights]), key, block);
      const upper = (block[offset % 4] as number) >>> 8;
      const inputs = tensor.fanIn[Math.floor((within * tensor.fanIn.length) / tensor.size)] as number;
      const expected = Math.fround(Math.sqrt(6 / inputs) * (upper / 2 ** 23 - 1));
      assert.equal(initialWeights(layout, seed, Math.sqrt)[offset], expected);
    }),
    { numRuns: 40 },
  );
});

test('a root comes from the function that was passed', () => {
  const asked = new Set<number>();
  const weights = initialWeights(layout, 1, (x) => {
    asked.add(x);
    return 2 ** -4;
  });
  const fanIns = [25, 75, 100, 150, 400, 120, 84];
  assert.deepEqual([...asked].sort(), fanIns.map((inputs) => 6 / inputs).sort());
  const random = layout.tensors.filter(({ fanIn }) => fanIn.length > 0).flatMap((tensor) => valuesOf(weights, tensor));
  // A power of two times 24 bits is exact: half-open, on a grid of 2^-27.
  assert.ok(random.every((weight) => weight >= -(2 ** -4) && weight < 2 ** -4 && Number.isInteger(weight * 2 ** 27)));
});
