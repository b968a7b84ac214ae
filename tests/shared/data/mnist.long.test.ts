import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mnist, skip } from '../../support/real-images.ts';

test('the real MNIST loads', { skip }, () => {
  assert.ok(mnist);
  const { train, test: heldOut, width, height } = mnist;
  assert.deepEqual([width, height, train.count, heldOut.count], [28, 28, 60000, 10000]);
  assert.deepEqual([...train.targets.subarray(0, 5)], [5, 0, 4, 1, 9]);
  assert.deepEqual([...heldOut.targets.subarray(0, 5)], [7, 2, 1, 0, 4]);
  assert.equal(train.inputs.length, 60000 * 28 * 28);
  assert.equal(heldOut.inputs.length, 10000 * 28 * 28);
});
