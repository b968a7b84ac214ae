import assert from 'node:assert/strict';
import type { ForwardTrace, Inspector } from '#src/inspect/activations/inspector.js';
import type { Inputs } from '#src/shared/data/dataset.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { shapeSize } from '#src/shared/model/shape.js';
import { at } from './reference/arrays.ts';
import { softmax } from './reference/heads.ts';
import { found } from './reference/network.ts';
import { uniformStream } from './reference/random.ts';
import { referenceForward, type Tensors, type Trace } from './reference/reference.ts';
import type { NetworkSpec } from './reference/spec.ts';

/** Of each layer's largest value. */
const TOLERANCE = 1e-5;

/** Weights for a look at any model: random ones, near their first values where those are fixed. */
export function lookedAtWeights(layout: ModelLayout, seed: number): Float32Array {
  const uniform = uniformStream(seed);
  const weights = new Float32Array(layout.parameters);
  for (const { fanIn, fill, offset, size } of layout.tensors) {
    for (let i = 0; i < size; i++) {
      const inputs = fanIn[Math.floor((i * fanIn.length) / size)];
      weights[offset + i] = inputs === undefined ? fill + 0.1 * uniform() : Math.sqrt(6 / inputs) * uniform();
    }
  }
  return weights;
}

/** One sample after the other: bytes of which half are 0, or floats from -1 to 1. */
export function lookedAtSamples(layout: ModelLayout, seed: number, count: number, kind: 'uint8' | 'float32' = 'uint8') {
  const uniform = uniformStream(seed);
  const length = count * shapeSize(layout.input);
  if (kind === 'float32') return Float32Array.from({ length }, uniform);
  return Uint8Array.from({ length }, () => Math.max(0, Math.round(255 * uniform())));
}

/** The inspector shows what the reference computes, in every layer, and what an evaluation predicts. */
export function assertShows(inspector: Inspector, weights: Float32Array, sample: Inputs): void {
  const { layout, shown, reading } = inspector;
  const trace = inspector.show(sample);
  const expected = referenceTrace(layout, weights, sample);
  for (const [i, { name, shape, values }] of trace.layers.slice(0, -1).entries()) {
    const layer = at(shown.layers, i);
    assert.deepEqual([name, shape], [layer.name, layer.shape]);
    const last = at(layer.layers, layer.layers.length - 1).spec.name;
    assertClose(name, values, at(found(expected.values, last), 0));
  }
  const { outputs, probabilities, prediction } = trace;
  assert.deepEqual(at(trace.layers, trace.layers.length - 1).values, outputs);
  const wanted = outputsOf(layout, expected);
  assertClose('outputs', outputs, wanted);
  if (reading === 'values') assert.equal(probabilities, undefined);
  else assertClose('probabilities', probabilities as Float32Array, probabilitiesOf(layout, wanted));
  assert.equal(prediction, reading === 'class' ? evaluated(layout, weights, sample)[0] : undefined);
  assertRanked(trace);
}

function assertRanked({ ranking, prediction, probabilities }: ForwardTrace): void {
  assert.deepEqual(
    ranking.toSorted((a, b) => a - b),
    [...ranking.keys()],
  );
  if (prediction !== undefined) assert.equal(ranking[0], prediction);
  if (probabilities === undefined) return;
  for (const [i, k] of ranking.slice(1).entries()) assert.ok(at(probabilities, k) <= at(probabilities, at(ranking, i)));
}

function assertClose(name: string, actual: Float32Array, expected: Float64Array): void {
  assert.equal(actual.length, expected.length, name);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - at(actual, i))), 0);
  assert.ok(scale > 0, `${name} has nothing to compare`);
  assert.ok(error <= TOLERANCE * scale, `${name}: off by ${error} of ${scale}`);
}

function referenceTrace(layout: ModelLayout, weights: Float32Array, sample: Inputs): Trace {
  const tensors: Tensors = new Map(
    layout.tensors.map(({ name, offset, size }) => [name, Float64Array.from(weights.subarray(offset, offset + size))]),
  );
  const factor = sample instanceof Uint8Array ? 1 / 255 : 1;
  const inputs = [Float64Array.from(sample, (value) => factor * value)];
  const targets = [new Float64Array(layout.classes)];
  const batch = { inputs, targets, shardSize: 8, training: false, seed: 0, first: 0 };
  return at(referenceForward(networkOf(layout), tensors, batch).traces, 0);
}

/** The spec as the reference has it: strides of pooling written out. */
function networkOf({ spec }: ModelLayout): NetworkSpec {
  const layers = spec.layers.map((layer) => ('size' in layer ? { stride: layer.size, ...layer } : layer));
  return { ...spec, layers } as unknown as NetworkSpec;
}

/** The last layer's values, or their squared distances from an RBF head's targets. */
function outputsOf({ spec }: ModelLayout, { values }: Trace): Float64Array {
  const last = at(found(values, at(spec.layers, spec.layers.length - 1).name), 0);
  if (spec.head.kind !== 'rbf') return last;
  const { targets } = spec.head as unknown as { readonly targets: readonly (readonly number[])[] };
  return Float64Array.from(targets, (target) => target.reduce((sum, t, i) => sum + (at(last, i) - t) ** 2, 0));
}

function probabilitiesOf({ spec }: ModelLayout, outputs: Float64Array): Float64Array {
  if (spec.head.kind === 'sigmoid') return outputs.map((z) => 1 / (1 + Math.exp(-z)));
  return softmax(spec.head.kind === 'rbf' ? outputs.map((distance) => -distance) : outputs);
}

/** The kernel's own predictions in an evaluation, in shared memory. */
export function evaluated(layout: ModelLayout, weights: Float32Array, inputs: Inputs): Uint16Array {
  const memory = new SharedMemory();
  const count = inputs.length / shapeSize(layout.input);
  const held = memory.parameters(layout.parameters);
  held.set(weights);
  const kind = inputs instanceof Uint8Array ? 'uint8' : 'float32';
  const targets = memory.uint16(count);
  const samples = memory.hold(inputs);
  const program = planProgram(layout, { shardSize: 8, inputs: kind }, memory);
  const backend = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), program, memory.memory);
  backend.setWeights(held);
  const indices = Int32Array.from({ length: count }, (_, i) => i);
  const predictions = new Uint16Array(count);
  const batch = { inputs: samples, targets, first: 0, indices, shifts: new Int8Array(2 * count) };
  backend.evaluate(batch, predictions);
  return predictions;
}
