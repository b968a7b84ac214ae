import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { resolveDataFolder } from '#src/shared/data/data-folder.js';
import { loadMnist } from '#src/shared/data/mnist.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileInspector, compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { ForwardPass } from '#src/shared/engine/wasm/forward.js';
import { LANES } from '#src/shared/engine/wasm/layer-plans.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { planKernel } from '#src/shared/engine/wasm/plan.js';
import { layoutOf, type ModelLayout, shapeSize } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { argmax, at } from '../../support/reference/arrays.ts';
import { softmax } from '../../support/reference/heads.ts';
import { randomSamples, randomWeights } from '../../support/reference/random.ts';
import { type ReferenceActivations, referenceForward } from '../../support/reference/reference.ts';

/** Of each layer's largest value. */
const TOLERANCE = 1e-5;
const BYTES = 28 * 28;
const HEADS = ['softmax', 'rbf'] as const;

const { MNIST_DIR } = process.env;
const mnist = MNIST_DIR ? (await loadMnist(await resolveDataFolder({ env: process.env }))).test : undefined;
const skip = mnist ? false : '$MNIST_DIR is not set: name the folder that holds the MNIST files';

if (process.env.CI === 'true') {
  it('has the real images', () => assert.ok(mnist, '$MNIST_DIR must be set where CI=true'));
}

for (const head of HEADS) {
  const layout = layoutOf(lenet5(head, 0.1));
  const weights = randomWeights(layout, 31);
  const inspector = new Inspector(compileInspector(), layout);
  inspector.setWeights(weights);

  describe(`what the inspector shows (${head})`, () => {
    it('agrees with the reference in every layer of made images', () => {
      for (const { image } of randomSamples(layout, 32, 9)) assertShows(inspector, weights, image);
    });

    it('agrees with the reference in every layer of real images', { skip }, () => {
      for (let i = 0; i < 9; i++) assertShows(inspector, weights, imageOf(mnist?.images, 1111 * i));
    });

    it('has the bits of the shared-memory kernel wherever both store a layer', () => {
      for (const { image } of randomSamples(layout, 36, 3)) {
        const { layers } = inspector.show(image);
        for (const [name, values] of kernelLayers(layout, weights, image)) {
          assert.deepEqual(layers.find((layer) => layer.name === name)?.values, values, name);
        }
      }
    });

    it('is the same whatever was shown before, and after other weights', () => {
      const [image, other] = randomSamples(layout, 33, 2).map((sample) => sample.image) as [Uint8Array, Uint8Array];
      const before = inspector.show(image);
      inspector.show(other);
      inspector.setWeights(randomWeights(layout, 34));
      assert.notDeepEqual(inspector.show(image), before);
      inspector.setWeights(weights);
      assert.deepEqual(inspector.show(image), before);
    });

    it('ranks classes by the head, also where their probabilities are too small to differ', () => {
      const far = new Inspector(compileInspector(), layout);
      const last = layout.tensors.find(({ name }) => name === 'f6.weight')?.offset ?? 0;
      far.setWeights(weights.map((value, i) => (i < last ? value : 30 * value)));
      for (const { image } of randomSamples(layout, 32, 9)) {
        const { layers, probabilities, ranking, prediction } = far.show(image);
        assert.ok(probabilities.filter((probability) => probability === 0).length > 1);
        const sign = head === 'rbf' ? 1 : -1;
        const output = at(layers, layers.length - 1).values.map((value) => sign * value);
        assert.equal(ranking[0], prediction);
        assert.deepEqual([...ranking].sort(), [...output.keys()]);
        for (const [i, digit] of ranking.slice(1).entries()) assert.ok(at(output, at(ranking, i)) <= at(output, digit));
      }
    });

    it('classifies many images as it shows each', () => {
      const samples = randomSamples(layout, 35, 19);
      const { probabilities, predictions } = inspector.classify(Buffer.concat(samples.map(({ image }) => image)));
      for (const [i, { image }] of samples.entries()) {
        const shown = inspector.show(image);
        assert.deepEqual(probabilities.subarray(10 * i, 10 * i + 10), shown.probabilities);
        assert.equal(predictions[i], shown.prediction);
      }
    });

    it('predicts what an evaluation does on the whole test set', { skip }, () => {
      if (!mnist) return;
      assert.deepEqual(inspector.classify(mnist.images).predictions, evaluated(layout, weights, mnist));
    });

    it('refuses other sizes', () => {
      assert.throws(() => inspector.show(new Uint8Array(BYTES - 1)), RangeError);
      assert.throws(() => inspector.classify(new Uint8Array(BYTES + 1)), RangeError);
      assert.throws(() => inspector.setWeights(new Float32Array(1)), RangeError);
    });
  });
}

function imageOf(images: Uint8Array | undefined, index: number): Uint8Array {
  return (images ?? new Uint8Array()).subarray(index * BYTES, (index + 1) * BYTES);
}

function assertShows(inspector: Inspector, weights: Float32Array, image: Uint8Array): void {
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

/** The kernel's own predictions, in shared memory. */
function evaluated(layout: ModelLayout, weights: Float32Array, test: { images: Uint8Array; labels: Uint8Array }) {
  const memory = new SharedMemory();
  const [images, labels] = [memory.hold(test.images), memory.hold(test.labels)];
  const held = memory.parameters(layout.parameters);
  held.set(weights);
  const plan = planKernel(layout, 8, memory);
  const backend = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), plan, memory.memory);
  backend.setWeights(held);
  const indices = Int32Array.from(labels, (_, i) => i);
  const predictions = new Uint8Array(labels.length);
  backend.evaluate({ images, labels, indices, shifts: new Int8Array(2 * labels.length) }, predictions);
  return predictions;
}

/** What the kernel in shared memory leaves behind a forward pass: the layers behind convolutions, by name. */
function kernelLayers(layout: ModelLayout, weights: Float32Array, image: Uint8Array): Map<string, Float32Array> {
  const memory = new SharedMemory();
  const plan = planKernel(layout, LANES, memory);
  const held = memory.parameters(layout.parameters);
  held.set(weights);
  const pass = new ForwardPass(instantiateKernel(compileKernel(), memory.memory), plan);
  pass.setWeights(held.byteOffset);
  pass.run(memory.hold(image).byteOffset, 1);
  const places = [...plan.convs, ...plan.denses].map(({ out }) => out);
  const stored = layout.layers.filter(({ spec }) => spec.kind !== 'conv' && spec.kind !== 'rbf');
  assert.equal(places.length, stored.length);
  return new Map(
    stored.map(({ spec, output }, i) => {
      const lanes = new Float32Array(memory.memory.buffer, at(places, i), shapeSize(output) * LANES);
      return [spec.name, Float32Array.from({ length: shapeSize(output) }, (_, v) => at(lanes, v * LANES))];
    }),
  );
}
