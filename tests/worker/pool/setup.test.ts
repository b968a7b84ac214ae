// A model that the kernel can't run: it has no convolution.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { ModelError } from '#src/shared/util/errors.js';
import type { BackendName } from '#src/worker/pool/backend.js';
import { LocalPool } from '#src/worker/pool/pool.js';
import { placeInMemory } from '#src/worker/pool/sample-set.js';
import { type LocalPoolOptions, layOutPool } from '#src/worker/pool/setup.js';
import { skipTfjs } from '../../shared/engine/tfjs/available.ts';
import { madeDataset } from '../../support/made-images.ts';

const { train, test, width, height } = madeDataset(64, 16);

function optionsFor(backend: BackendName): LocalPoolOptions {
  const memory = new SharedMemory();
  const [batch, shardSize] = [16, 8];
  return {
    workers: 2,
    memory,
    kernel: compileKernel(),
    layout: layoutOf({
      name: 'dense',
      input: { height, width, padding: 0 },
      layers: [{ kind: 'dense', name: 'hidden', units: 4, activation: 'relu' }],
      head: { kind: 'softmax', name: 'output', classes: 10 },
    }),
    backend,
    train: placeInMemory(memory, train),
    test: placeInMemory(memory, test),
    batch,
    shardSize,
    sampler: { samples: train.count, batch, seed: 1, augment: 'none' },
  };
}

describe('a model that the kernel cannot run', () => {
  it('is refused for the kernel backend alone', () => {
    assert.throws(() => layOutPool(optionsFor('kernel')), ModelError);
    const { setups } = layOutPool(optionsFor('tfjs'));
    assert.deepEqual(
      setups.map(({ plan }) => plan),
      [undefined, undefined],
    );
  });

  it('has its gradient computed by the tfjs backend', { skip: skipTfjs, timeout: 120_000 }, async () => {
    const options = optionsFor('tfjs');
    const weights = { values: options.memory.parameters(options.layout.parameters), readers: 0 };
    const pool = new LocalPool(options);
    try {
      const partials = await pool.gradient({ t: 0, weights, ranges: [{ begin: 0, end: 2 }] });
      const lossSum = partials.reduce((sum, partial) => sum + partial.lossSum, 0);
      // All classes are equally likely with weights of zero.
      assert.ok(Math.abs(lossSum - 16 * Math.log(10)) < 1e-3, `${lossSum}`);
    } finally {
      await pool.close();
    }
  });
});
