import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { randomBatch, randomParameters } from './random-batches.ts';
import { randomCase } from './random-specs.ts';
import { at } from './reference/arrays.ts';
import { kinkedSamples } from './reference/kinks.ts';
import { LAYER_KINDS } from './reference/layers/kinds.ts';
import { INPUT, nodesOf } from './reference/network.ts';
import { blocksOf, referenceForward } from './reference/reference.ts';
import type { LayerSpec, NetworkSpec } from './reference/spec.ts';

const CASES = fc.sample(randomCase, { numRuns: 300, seed: 1 });

it('300 random cases have every kind of layer and head, every shard size and 1 to 12 layers', () => {
  const sorted = <T>(items: Iterable<T>) => [...new Set(items)].sort();
  assert.deepEqual(
    sorted(CASES.flatMap(({ network }) => network.layers.map(({ kind }) => kind))),
    [...LAYER_KINDS].sort(),
  );
  assert.deepEqual(sorted(CASES.map(({ network }) => network.head.kind)), ['mse', 'rbf', 'sigmoid', 'softmax']);
  assert.deepEqual(new Set(CASES.map(({ shardSize }) => shardSize)), new Set([1, 3, 8, 13, 64]));
  const lengths = new Set(CASES.map(({ network }) => network.layers.length));
  assert.deepEqual(
    [...lengths].sort((a, b) => a - b),
    Array.from({ length: 12 }, (_, i) => i + 1),
  );
});

it('random cases are the same for the same seed', () => {
  assert.deepEqual(fc.sample(randomCase, { numRuns: 300, seed: 1 }), CASES);
});

it('random networks are valid: names differ, maps have positions, and every layer leads to the last one', () => {
  for (const { network } of CASES) {
    const names = network.layers.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { outputShape } of nodesOf(network)) {
      for (const side of Object.values(outputShape)) assert.ok(Number.isInteger(side) && side >= 1);
    }
    const read = new Set(network.layers.flatMap(({ inputs }) => inputs));
    assert.deepEqual(
      names.filter((name) => !read.has(name)),
      [at(names, names.length - 1)],
    );
  }
});

it('a sample is kinked near 0 in front of a ReLU, near a tie in a window, and near a tie of classes', () => {
  const window = { size: [2, 2], stride: [2, 2], padding: 'valid' } as const;
  const relu: LayerSpec = { kind: 'relu', name: 'relu1', inputs: [INPUT] };
  const pool: LayerSpec = { kind: 'max-pool', name: 'pool', inputs: [INPUT], ...window };
  const flat: LayerSpec = { kind: 'flatten', name: 'flat', inputs: [INPUT] };
  for (const [isKinked, layer, head, values] of [
    [false, relu, 'mse', [1, 2, 3, -4]],
    [true, relu, 'mse', [1, 2, 3, -1e-6]],
    [false, relu, 'mse', [1, 2, 3, 0]],
    [false, pool, 'mse', [1, 2, 3, -4]],
    [true, pool, 'mse', [1, 2, 3, 3 + 1e-6]],
    [false, pool, 'mse', [3, 3, 1, 1 + 1e-6]],
    [false, flat, 'softmax', [1, 2, 2, 3]],
    [true, flat, 'softmax', [1, 2, 3, 3 + 1e-6]],
    [true, flat, 'sigmoid', [1, 2, 3, 1e-6]],
  ] as const) {
    const network: NetworkSpec = {
      name: 'one',
      input: { maps: 1, height: 2, width: 2 },
      layers: [layer],
      head: { kind: head },
    };
    const samples = [Float64Array.of(1, 2, 4, 8), Float64Array.from(values)];
    const batch = {
      inputs: samples,
      targets: [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ],
      shardSize: 2,
      training: true,
      seed: 1,
      first: 0,
    };
    const kinked = kinkedSamples(network, at(referenceForward(network, new Map(), batch).traces, 0));
    assert.deepEqual([...kinked], isKinked ? [1] : [], `${layer.kind} ${values}`);
  }
});

it('redraws samples until no value lies near a kink', () => {
  let redrawn = 0;
  for (const random of CASES.slice(0, 20)) {
    const parameters = randomParameters(random.network, random.seed);
    const drawn = randomBatch(random, parameters);
    if (!drawn) continue;
    redrawn++;
    for (const block of blocksOf(drawn.batch)) {
      for (const trace of referenceForward(random.network, parameters, block).traces) {
        assert.equal(kinkedSamples(random.network, trace).size, 0);
      }
    }
  }
  assert.ok(redrawn > 15);
});
