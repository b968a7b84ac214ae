import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { MemoryError } from '#src/shared/util/errors.js';
import { madeDataset } from '../../support/made-images.ts';
import { type Outcome, runOnce, Session } from '../../support/session.ts';
import { HANGS } from './with-session.ts';

const GIBIBYTE = 2 ** 30;
const PAGE = 65_536;
/** The first address. */
const LINE = 64;

// More shards than workers, several chunks of test images, and a norm that is clipped: every kind of command is sent.
const dataset = madeDataset(600, 850);
const FLAGS = { batch: 96, shardSize: 8, iterations: 12, workers: 3, clipNorm: 1, evaluateEvery: 5 };

describe('a pool whose memory lies beyond 2 GiB', HANGS, () => {
  let expected: Outcome;
  /** What the pool takes of its memory. */
  let bytes: number;

  before(async () => {
    const session = new Session({ flags: FLAGS, dataset });
    bytes = session.memory.used;
    expected = await session.run();
    await session.close();
  });

  for (const part of [0.1, 0.5, 0.9]) {
    it(`trains the same bits with ${100 * part} % of it below the boundary`, async () => {
      assert.deepEqual(await runOnce({ flags: FLAGS, dataset, taken: 2 * GIBIBYTE - part * bytes }), expected);
    });
  }

  it('trains the same bits up to the end of 4 GiB', async () => {
    assert.deepEqual(await runOnce({ flags: FLAGS, dataset, taken: 4 * GIBIBYTE - PAGE - LINE - bytes }), expected);
  });

  it('has no address at which the end of a vector would be 0', () => {
    assert.throws(() => new Session({ flags: FLAGS, dataset, taken: 4 * GIBIBYTE - bytes }), MemoryError);
  });
});
