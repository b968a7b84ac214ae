import assert from 'node:assert/strict';
import type { Inspector } from '#src/inspect/activations/inspector.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { argmax, at } from './reference/arrays.ts';
import { softmax } from './reference/heads.ts';
import { type ReferenceActivations, referenceForward } from './reference/reference.ts';

/** Of each layer's largest value. */
const TOLERANCE = 1e-5;

/** The inspector shows what the reference computes, in every layer. */
export function assertShows(inspector: Inspector, weights: Float32Array, image: Uint8Array): void {
  const { layout } = inspector;
  const { layers, probabilities, prediction } = inspector.show(image);
  const [expected] = referenceForward(layout, weights, [{ image, label: 0, shift: [0, 0] }]);
  assert.ok(expected);
  assert.deepEqual(
    layers.map(({ name, shape }) => ({ name, shape })),
    layout.layers.map(({ spec, output }) => ({ name: spec.name, shape: output })),
  );
  for (const [i, { name, values }] of layers.entries()) assertClose(name, values, at(expected.outputs, i));
  const wanted = referenceProbabilities(layout, expected);
  assertClose('probabilities', probabilities, wanted);
  assert.equal(prediction, argmax(wanted));
}

function assertClose(name: string, actual: Float32Array, expected: Float64Array): void {
  assert.equal(actual.length, expected.length, name);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - at(actual, i))), 0);
  assert.ok(scale > 0, `${name} has nothing to compare`);
  assert.ok(error <= TOLERANCE * scale, `${name}: off by ${error} of ${scale}`);
}

function referenceProbabilities(layout: ModelLayout, { outputs }: ReferenceActivations): Float64Array {
  const sign = layout.spec.head.kind === 'rbf' ? -1 : 1;
  return softmax(at(outputs, outputs.length - 1).map((value) => sign * value));
}
