import assert from 'node:assert/strict';
import { test } from 'node:test';
import { smooth } from '#src/shared/live/smoothing.js';

test('without weight, the values are what they were', () => {
  assert.deepEqual(smooth([1, null, -2, 1e300], 0), [1, null, -2, 1e300]);
});

test('the average is the one that weighs each value by what came after it', () => {
  const [values, weight] = [[3, 1, 4, 1, 5, 9, 2, 6], 0.9];
  for (const [n, average] of smooth(values, weight).entries()) {
    const weights = values.slice(0, n + 1).map((_, i) => weight ** (n - i));
    const sum = weights.reduce((all, each, i) => all + each * (values[i] as number), 0);
    const expected = sum / weights.reduce((all, each) => all + each, 0);
    assert.ok(Math.abs((average as number) - expected) < 1e-12, `${average} is not ${expected}`);
  }
});

test('a constant stays, from the first value on, and a value that is missing is a gap', () => {
  const smoothed = smooth([5, 5, null, 5], 0.99);
  assert.equal(smoothed[2], null);
  for (const at of [0, 1, 3]) assert.ok(Math.abs((smoothed[at] as number) - 5) < 1e-12);
});
