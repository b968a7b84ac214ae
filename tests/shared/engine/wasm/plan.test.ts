import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PrivateMemory } from '#src/shared/engine/wasm/memory.js';
import { planKernel } from '#src/shared/engine/wasm/plan.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import type { LayerSpec } from '#src/shared/model/spec.js';
import { ModelError } from '#src/shared/util/errors.js';

const conv: LayerSpec = { kind: 'conv', name: 'c1', maps: 2, kernel: 5 };
const subsample: LayerSpec = { kind: 'subsample', name: 's2' };
const dense: LayerSpec = { kind: 'dense', name: 'f1', units: 3, activation: 'relu' };

describe("the kernel's plan", () => {
  for (const [what, layers, message] of [
    ['a convolution without subsampling', [conv, dense], /^c1: .*the subsample layer after it/],
    ['subsampling by itself', [subsample], /^s2: .*in pairs.* no subsample layer here/],
    ['a second subsampling', [conv, subsample, { ...subsample, name: 's3' }], /^s3: .*no subsample layer here/],
    ['no convolution', [dense], /^lenet5: .*a conv layer first/],
  ] as const) {
    it(`is refused for ${what}`, () => {
      const layout = layoutOf({ ...lenet5('softmax', 0), layers });
      assert.throws(
        () => planKernel(layout, 8, new PrivateMemory()),
        (error) => error instanceof ModelError && message.test(error.message),
      );
    });
  }
});
