import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { colourOf, scaleOf } from '#src/inspect/activations/map-picture.js';
import { columnsOf } from '#src/inspect/report/columns.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { CheckpointError } from '#src/shared/util/errors.js';
import { madeDataset } from '../../support/made-images.ts';
import { randomWeights } from '../../support/reference/random.ts';

describe('weights that overflow', () => {
  const layout = layoutOf(lenet5('softmax', 0.1));
  const { test: images, width, height } = madeDataset(1, 8);
  const columns = (weights: Float32Array) =>
    columnsOf({
      runs: [],
      snapshots: [{ run: 0, step: 20, file: 'checkpoints/huge', layout, weights, weightsSha256: '' }],
      test: { name: 'mnist', ...images, width, height },
      image: 0,
      warnings: [],
      version: '',
    });

  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 3e38, 1e10]) {
    test(`are refused by a report with the checkpoint's name: ${value}`, () => {
      assert.throws(
        () => columns(randomWeights(layout, 1).fill(value)),
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
