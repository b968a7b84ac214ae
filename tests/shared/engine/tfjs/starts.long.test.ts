import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { skipTfjs } from './available.ts';
import { failedStarts } from './starts.ts';

const STARTS = 10;

describe('a pool of four tfjs workers', { skip: skipTfjs }, () => {
  it(`comes up in each of ${STARTS} processes, without a crash or a hang`, async () => {
    assert.deepEqual(await failedStarts(STARTS), []);
  });
});
