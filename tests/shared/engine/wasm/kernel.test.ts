import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SampleBatch } from '#src/shared/engine/backend.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { assertAgrees, gradientOf, kernelOn, MODELS, SHARD_SIZES } from '../../../support/kernel.ts';
import { randomSamples } from '../../../support/reference/random.ts';

const MADE_SAMPLES = 64;

for (const [name, spec] of MODELS) {
  const layout = layoutOf(spec);

  describe(`the kernel on made images (${name})`, () => {
    const samples = randomSamples(layout, 21, MADE_SAMPLES);
    const inputs = Buffer.concat(samples.map(({ image }) => image));
    const targets = Uint16Array.from(samples, ({ label }) => label);
    const kernel = kernelOn(layout, { inputs, targets });
    for (const size of SHARD_SIZES) {
      it(`agrees with the reference on a shard of ${size}`, () => assertAgrees(kernel, size));
    }

    it('gives a shard the same bits whatever it computed before', () => {
      const shard = kernel.shard(5);
      const before = gradientOf(kernel, shard);
      gradientOf(kernel, kernel.shard(16));
      assert.deepEqual(gradientOf(kernel, shard), before);
    });

    it('gives the bits of an evaluation whatever it computed before', () => {
      const evaluate = (shard: SampleBatch) => {
        const predictions = new Uint16Array(shard.indices.length);
        return { ...kernel.backend.evaluate(shard, predictions), predictions };
      };
      const shard = kernel.shard(13);
      const before = evaluate(shard);
      gradientOf(kernel, kernel.shard(16));
      assert.deepEqual(evaluate(shard), before);
    });
  });
}
