import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { NativeTarget } from '#src/shared/engine/kernel-name.js';
import { randomBatch, randomParameters } from '../../support/random-batches.ts';
import { engineGradient, kernelStart, type StartBackend } from '../../support/random-engine.ts';
import { type RandomCase, randomCase } from '../../support/random-specs.ts';
import { at } from '../../support/reference/arrays.ts';
import { found, tensorsOf } from '../../support/reference/network.ts';
import { referenceForward, referenceGradient, type Tensors } from '../../support/reference/reference.ts';

/** Of each tensor's largest entry, and of the loss. */
const TOLERANCE = 1e-5;
/** Of the network's largest entry: a bias in front of a norm has the gradient 0. */
const NETWORK_TOLERANCE = 1e-6;

/**
 * A backend, or else planner and kernel, agree with the reference on as many random networks. A failing one is shrunk and
 * printed.
 */
export function assertRandomNetworksAgree(seed: number, count: number, start?: StartBackend): void {
  const property = (random: RandomCase) => {
    const parameters = randomParameters(random.network, random.seed);
    const drawn = randomBatch(random, parameters);
    fc.pre(drawn !== undefined);
    const actual = engineGradient(random, parameters, drawn, start);
    const expected = referenceGradient(random.network, parameters, drawn.batch);
    assertTensorsAgree(random, actual.gradient, expected.gradient);
    assertLossAgrees(actual, expected);
    const evaluated = referenceForward(random.network, parameters, { ...drawn.batch, training: false });
    assertLossAgrees(actual.evaluated, evaluated);
  };
  fc.assert(fc.property(randomCase, property), { seed, numRuns: count });
}

/** Native code has WebAssembly's bits on as many random networks, whatever their parameters. */
export function assertNativeAgrees(target: NativeTarget, seed: number, count: number): void {
  const start = kernelStart(target);
  const property = (random: RandomCase) => {
    const parameters = randomParameters(random.network, random.seed);
    const drawn = randomBatch(random, parameters);
    fc.pre(drawn !== undefined);
    const [expected, actual] = [undefined, start].map((each) => engineGradient(random, parameters, drawn, each));
    assert.deepEqual(actual, expected);
  };
  fc.assert(fc.property(randomCase, property), { seed, numRuns: count });
}

function assertTensorsAgree({ network, frozen }: RandomCase, actual: Tensors, expected: Tensors): void {
  const tensors = tensorsOf(network);
  const largest = (isState: boolean) =>
    Math.max(
      0,
      ...tensors.filter(({ state }) => state === isState).map(({ name }) => largestOf(found(expected, name))),
    );
  const ofNetwork = { gradient: largest(false), state: largest(true) };
  for (const { name, state } of tensorsOf(network, frozen)) {
    const values = found(expected, name);
    const error = largestOf(found(actual, name).map((value, i) => value - at(values, i)));
    const scale = state ? ofNetwork.state : ofNetwork.gradient;
    const limit = TOLERANCE * largestOf(values) + NETWORK_TOLERANCE * scale;
    assert.ok(error <= limit, `${name}: off by ${error}, at most ${limit}; largest ${largestOf(values)} and ${scale}`);
  }
}

/** The largest magnitude, or NaN. */
function largestOf(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

interface Loss {
  readonly lossSum: number;
  readonly correct: number;
}

function assertLossAgrees(actual: Loss, expected: Loss): void {
  const error = Math.abs(actual.lossSum - expected.lossSum);
  assert.ok(error <= TOLERANCE * Math.abs(expected.lossSum), `loss: ${expected.lossSum}, got ${actual.lossSum}`);
  assert.equal(actual.correct, expected.correct);
}
