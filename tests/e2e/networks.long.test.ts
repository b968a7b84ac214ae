// The promise for any network on any number of threads; networks-nodes.long.test.ts has it with nodes.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Fault } from '#src/worker/pool/faults.js';
import { GOLDEN_NETWORKS } from '../support/golden-networks.ts';
import { noiseFor } from '../support/noise.ts';
import { type Outcome, runOnce } from '../support/session.ts';

const WORLD_SIZES = [2, 3, 5, 8];
const SAMPLES = { train: 96, test: 30 };
// Nine shards, none of whose blocks is full; the golden networks have shards of a whole block and a part of one.
const FLAGS = { batch: 45, shardSize: 5, iterations: 4, evaluateEvery: 2, learningRate: 0.001, seed: 5 };
const LOST: readonly Fault[] = [
  { worker: 1, t: 1, kind: 'exit' },
  { worker: 0, t: 2, kind: 'throw' },
];

for (const { model } of GOLDEN_NETWORKS) {
  const kinds = [...new Set(model.layers.map(({ kind }) => kind))].join(', ');
  describe(`the bits of ${model.name} (${kinds})`, () => {
    const dataset = noiseFor(model, SAMPLES);
    const outcome = (workers: number, faults: readonly Fault[] = []): Promise<Outcome> =>
      runOnce({ flags: { ...FLAGS, workers }, dataset, model, faults });
    let expected: Outcome;
    before(async () => {
      expected = await outcome(1);
    });

    for (const workers of WORLD_SIZES) {
      it(`are the same with ${workers} workers`, async () => assert.deepEqual(await outcome(workers), expected));
    }

    it('are the same if workers are lost', async () => assert.deepEqual(await outcome(3, LOST), expected));
  });
}
