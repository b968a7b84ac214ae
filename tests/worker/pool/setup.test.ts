import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { layOutPool } from '#src/worker/pool/setup.js';
import { optionsFor } from './dense-model.ts';

describe('the layout of a pool', () => {
  it('has a program for each worker of the kernel backend alone', () => {
    const plans = (backend: 'kernel' | 'tfjs') => layOutPool(optionsFor(backend)).setups.map(({ plan }) => plan);
    const [first, second] = plans('kernel');
    assert.ok(first !== undefined && second !== undefined);
    assert.notEqual(first.output.at, second.output.at);
    assert.deepEqual(plans('tfjs'), [undefined, undefined]);
  });
});
