import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ModelError } from '#src/shared/util/errors.js';
import { layOutPool } from '#src/worker/pool/setup.js';
import { optionsFor } from './dense-model.ts';

describe('a model that the kernel cannot run', () => {
  it('is refused for the kernel backend alone', () => {
    assert.throws(() => layOutPool(optionsFor('kernel')), ModelError);
    const { setups } = layOutPool(optionsFor('tfjs'));
    assert.deepEqual(
      setups.map(({ plan }) => plan),
      [undefined, undefined],
    );
  });
});
