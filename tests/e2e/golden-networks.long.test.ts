// The bits of every preset and of 20 random specs, on any system and Node: node dist/tests/e2e/golden-networks.long.test.js
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nativeTargets } from '#src/shared/engine/native/addon.js';
import { PRESETS } from '#src/shared/model/registry.js';
import { bitsOf, GOLDEN_NETWORKS } from '../support/golden-networks.ts';

it('there are every preset and 20 random specs', () => {
  const names = new Set(GOLDEN_NETWORKS.map(({ model }) => model.name));
  assert.deepEqual(
    PRESETS.filter(({ name }) => !names.has(name)),
    [],
    'node dist/tests/support/golden-networks.js adds them',
  );
  assert.ok(names.size >= PRESETS.length + 20);
});

describe('the bits of a network', () => {
  const kernels = ['wasm', ...nativeTargets()] as const;
  for (const [kernel, { model, ...golden }] of kernels.flatMap((each) =>
    GOLDEN_NETWORKS.map((own) => [each, own] as const),
  )) {
    it(`${model.name} by ${kernel} (${[...new Set(model.layers.map(({ kind }) => kind))].join(', ')})`, async () => {
      assert.deepEqual(await bitsOf(model, kernel), golden);
    });
  }
});
