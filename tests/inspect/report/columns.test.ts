import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { colourOf, scaleOf } from '#src/inspect/activations/map-picture.js';
import { columnsOf } from '#src/inspect/report/columns.js';
import type { TestSet } from '#src/inspect/report/data.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { CheckpointError, UsageError } from '#src/shared/util/errors.js';
import { lookedAtWeights } from '../../support/inspector.ts';
import { lenet5 } from '../../support/models.ts';
import { smallSet } from '../../support/small-set.ts';

const layout = layoutOf(lenet5('softmax'));
const DIGITS = [...'0123456789'];
const small = smallSet(layout.input, DIGITS, 8);

function columns(weights: Float32Array, test: TestSet = small) {
  return columnsOf({
    runs: [],
    snapshots: [{ run: 0, step: 20, file: 'checkpoints/huge', layout, weights, weightsSha256: '' }],
    test,
    image: 0,
    warnings: [],
    version: '',
  });
}

describe('weights that overflow', () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 3e38, 1e10]) {
    test(`are refused by a report with the checkpoint's name: ${value}`, () => {
      assert.throws(
        () => columns(lookedAtWeights(layout, 1).fill(value)),
        (error) =>
          error instanceof CheckpointError && /^checkpoints\/huge holds weights whose sums/.test(error.message),
      );
    });
  }

  test('have colours in a map', () => {
    const values = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1);
    for (const value of values) assert.equal(colourOf(scaleOf(values), value).length, 3);
  });
});

test('a test set of other samples, classes or targets is refused', () => {
  const weights = lookedAtWeights(layout, 1);
  for (const other of [
    smallSet({ ...layout.input, width: 27 }, DIGITS, 8),
    smallSet(layout.input, DIGITS.slice(1), 8),
    smallSet(layout.input, DIGITS, 8, 'labels'),
  ])
    assert.throws(
      () => columns(weights, other),
      (error) => error instanceof UsageError && /the test set small has/.test(error.message),
    );
});
