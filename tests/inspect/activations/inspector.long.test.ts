import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { bytesIn } from '#src/shared/data/dataset.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { assertShows, evaluated, lookedAtWeights } from '../../support/inspector.ts';
import { lenet5 } from '../../support/models.ts';
import { mnist, skip } from '../../support/real-images.ts';

for (const head of ['softmax', 'rbf'] as const) {
  describe(`what the inspector shows of real images (${head})`, { skip }, () => {
    if (!mnist) return;
    const { test } = mnist;
    const images = bytesIn(test);
    const bytes = images.length / test.count;
    const layout = layoutOf(lenet5(head));
    const weights = lookedAtWeights(layout, 31);
    const inspector = new Inspector(compileInspector(), layout);
    inspector.setWeights(weights);

    it('agrees with the reference in every layer', () => {
      for (let i = 0; i < 9; i++) {
        assertShows(inspector, weights, images.subarray(1111 * i * bytes, (1111 * i + 1) * bytes));
      }
    });

    it('predicts what an evaluation does on the whole test set', () => {
      assert.deepEqual(inspector.classify(images).predictions, evaluated(layout, weights, images));
    });
  });
}
