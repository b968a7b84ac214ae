import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileInspector, compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { planKernel } from '#src/shared/engine/wasm/plan.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { assertShows } from '../../support/inspector.ts';
import { mnist, skip } from '../../support/real-images.ts';
import { randomWeights } from '../../support/reference/random.ts';

for (const head of ['softmax', 'rbf'] as const) {
  describe(`what the inspector shows of real images (${head})`, { skip }, () => {
    if (!mnist) return;
    const { images, labels } = mnist.test;
    const bytes = images.length / labels.length;
    const layout = layoutOf(lenet5(head, 0.1));
    const weights = randomWeights(layout, 31);
    const inspector = new Inspector(compileInspector(), layout);
    inspector.setWeights(weights);

    it('agrees with the reference in every layer', () => {
      for (let i = 0; i < 9; i++) {
        assertShows(inspector, weights, images.subarray(1111 * i * bytes, (1111 * i + 1) * bytes));
      }
    });

    it('predicts what an evaluation does on the whole test set', () => {
      assert.deepEqual(inspector.classify(images).predictions, evaluated(layout, weights, { images, labels }));
    });
  });
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
