import { describe, it } from 'node:test';
import { layoutOf } from '#src/shared/model/layout.js';
import { assertAgrees, kernelOn, MODELS, SHARD_SIZES } from '../../../support/kernel.ts';
import { mnist, skip } from '../../../support/real-images.ts';

for (const [name, spec] of MODELS) {
  describe(`the kernel on real images (${name})`, { skip }, () => {
    if (!mnist) return;
    const kernel = kernelOn(layoutOf(spec), mnist.test);
    for (const size of SHARD_SIZES) {
      it(`agrees with the reference on a shard of ${size}`, () => assertAgrees(kernel, size));
    }
  });
}
