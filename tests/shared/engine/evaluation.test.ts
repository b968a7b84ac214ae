import assert from 'node:assert/strict';
import { test } from 'node:test';
import { confusionOf } from '#src/shared/engine/evaluation.js';

test('the confusion matrix counts images by truth and guess', () => {
  const confusion = confusionOf(Uint16Array.of(0, 0, 3, 9), Uint16Array.of(0, 7, 3, 9), 10);
  assert.equal(confusion.length, 10);
  assert.deepEqual(confusion[0], [1, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual([confusion[3]?.[3], confusion[9]?.[9]], [1, 1]);
  assert.equal(
    confusion.flat().reduce((sum, count) => sum + count),
    4,
  );
});
