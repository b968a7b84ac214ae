import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { compileInspector, compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { ForwardPass } from '#src/shared/engine/wasm/forward.js';
import { LANES } from '#src/shared/engine/wasm/layer-plans.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { planKernel } from '#src/shared/engine/wasm/plan.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { shapeSize } from '#src/shared/model/shape.js';
import { assertShows } from '../../support/inspector.ts';
import { at } from '../../support/reference/arrays.ts';
import { randomSamples, randomWeights } from '../../support/reference/random.ts';

const BYTES = 28 * 28;
const HEADS = ['softmax', 'rbf'] as const;

for (const head of HEADS) {
  const layout = layoutOf(lenet5(head, 0.1));
  const weights = randomWeights(layout, 31);
  const inspector = new Inspector(compileInspector(), layout);
  inspector.setWeights(weights);

  describe(`what the inspector shows (${head})`, () => {
    it('agrees with the reference in every layer of made images', () => {
      for (const { image } of randomSamples(layout, 32, 9)) assertShows(inspector, weights, image);
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

    it('refuses other sizes', () => {
      assert.throws(() => inspector.show(new Uint8Array(BYTES - 1)), RangeError);
      assert.throws(() => inspector.classify(new Uint8Array(BYTES + 1)), RangeError);
      assert.throws(() => inspector.setWeights(new Float32Array(1)), RangeError);
    });
  });
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
