import assert from 'node:assert/strict';
import { test } from 'node:test';
import { syntheticDataset } from '#src/shared/data/sources/synthetic.js';
import { runOnce } from '../../support/session.ts';

const dataset = syntheticDataset();

test('LeNet-5 learns it in 1,000 steps, though not at once', async () => {
  const { records } = await runOnce({ flags: { iterations: 1000, workers: 2, evaluateEvery: 0 }, dataset });
  const [early = 1, late = 0] = records.flatMap(({ testAccuracy }) => testAccuracy ?? []);
  assert.ok(early < 0.9, `${early} after 100 steps`);
  assert.ok(late > 0.97 && late < 0.995, `${late} after 1,000 steps`);
});
