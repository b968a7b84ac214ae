import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckpointTimer } from '#src/coordinator/train/checkpoint-timer.js';

test('a checkpoint is due so many minutes after the last one was taken', () => {
  let now = 1000;
  const timer = new CheckpointTimer(2, () => now);
  now += 119_999;
  assert.equal(timer.isDue, false);
  now += 1;
  assert.equal(timer.isDue, true);
  timer.restart();
  assert.equal(timer.isDue, false);
  now += 120_000;
  assert.equal(timer.isDue, true);
});

test('no checkpoint is due by time if no time is given', () => {
  let now = 0;
  const timer = new CheckpointTimer(0, () => now);
  now += 1e12;
  assert.equal(timer.isDue, false);
});
