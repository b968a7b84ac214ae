import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../models.ts';
import { randomBatch, randomParameters } from '../random-batches.ts';
import { type RandomCase, randomCase } from '../random-specs.ts';
import { at } from './arrays.ts';
import { networkOf } from './flat.ts';
import { LAYER_KINDS } from './layers/kinds.ts';
import { found, tensorsOf } from './network.ts';
import { uniformStream } from './random.ts';
import { type Batch, referenceForward, referenceGradient, type Tensors } from './reference.ts';
import type { NetworkSpec } from './spec.ts';

const SEED = 1;
const NETWORKS = 30;
// More than a block.
const MAX_SAMPLES = 9;
// In float64 rounding costs about 1e-9 of a difference at this width, and so narrow a step rarely crosses a kink.
const STEP = 1e-6;
/** Of the length of the network's longest gradient. */
const TOLERANCE = 1e-6;

it('the gradient of every kind of layer matches central differences, tensor by tensor', () => {
  const kinds = new Set<string>();
  const property = (random: RandomCase) => {
    const parameters = randomParameters(random.network, random.seed);
    const drawn = randomBatch({ ...random, shardSize: Math.min(random.shardSize, MAX_SAMPLES), shards: 1 }, parameters);
    fc.pre(drawn !== undefined);
    for (const { kind } of random.network.layers) kinds.add(kind);
    assertMatchesDifferences(random.network, parameters, drawn.batch);
  };
  fc.assert(fc.property(randomCase, property), { seed: SEED, numRuns: NETWORKS });
  assert.deepEqual([...kinds].sort(), [...LAYER_KINDS].sort());
});

for (const [name, spec] of [
  ['softmax', lenet5('softmax')],
  ['RBF, j = 0.1', lenet5('rbf', 0.1)],
  // Distances at random weights are 80 to 95: here both e^-j and the other classes' e^-y count.
  ['RBF, j = 83', lenet5('rbf', 83)],
] as const) {
  it(`the gradient of LeNet-5 matches central differences (${name})`, () => {
    const layout = layoutOf(spec);
    const network = networkOf(layout);
    const random = { network, shardSize: 3, shards: 1, seed: 11, floats: false, frozen: [] };
    const parameters = randomParameters(network, 11);
    const drawn = randomBatch(random, parameters);
    assert.ok(drawn);
    assertMatchesDifferences(network, parameters, drawn.batch);
  });
}

function assertMatchesDifferences(network: NetworkSpec, parameters: Tensors, batch: Batch): void {
  const { gradient, lossSum } = referenceGradient(network, parameters, batch);
  assert.equal(lossSum, referenceForward(network, parameters, batch).lossSum);
  const uniform = uniformStream(batch.seed);
  const trained = tensorsOf(network, batch.frozen).filter(({ state }) => !state);
  const longest = Math.max(...trained.map(({ name }) => length(found(gradient, name))));
  for (const { name } of trained) {
    const direction = unit(found(parameters, name).map(uniform));
    const loss = (side: number) => {
      const moved = found(parameters, name).map((p, i) => p + side * STEP * at(direction, i));
      return referenceForward(network, new Map([...parameters, [name, moved]]), batch).lossSum;
    };
    const difference = (loss(1) - loss(-1)) / (2 * STEP);
    const expected = found(gradient, name).reduce((sum, g, i) => sum + g * at(direction, i), 0);
    const error = Math.abs(difference - expected);
    assert.ok(error <= TOLERANCE * longest, `${name}: ${expected}, but the difference is ${difference}`);
  }
}

function length(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

function unit(values: Float64Array): Float64Array {
  const all = length(values);
  return values.map((value) => value / all);
}
