import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LocalPool } from '#src/worker/pool/pool.js';
import { skipTfjs } from '../../shared/engine/tfjs/available.ts';
import { optionsFor } from './dense-model.ts';

describe('a model that the kernel cannot run', () => {
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
