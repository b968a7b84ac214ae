import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { scoresOf, testAnswers } from '#src/coordinator/train/test-answers.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';

const NONE = new Uint16Array();

function layout(head: string, classes: number) {
  const data = { maps: 3, height: 1, width: 1, classes };
  return layoutOf(parseModel({ name: 'own', layers: [{ kind: 'dense' }], head }, data, 'test'));
}

/** Outputs of a model, and what the mse head makes of them: the mean over the outputs of their squared errors. */
function lossSumOf(outputs: readonly number[], targets: Float32Array, width: number): number {
  return outputs.reduce((sum, output, i) => sum + (output - (targets[i] as number)) ** 2 / width, 0);
}

describe('the figures of an evaluation', () => {
  it('of one number have R² = 1 - squared errors / squared deviations', () => {
    // scikit-learn's own example: r2_score([3, -0.5, 2, 7], [2.5, 0.0, 2, 8]) = 0.9486081370449679.
    const targets = Float32Array.of(3, -0.5, 2, 7);
    const answers = testAnswers(layout('mse', 1), { targets, count: 4 });
    const lossSum = lossSumOf([2.5, 0, 2, 8], targets, 1);
    const { testR2, testLoss, testAccuracy } = scoresOf(answers, { lossSum, predictions: NONE });
    assert.ok(Math.abs((testR2 as number) - 0.9486081370449679) < 1e-15, `${testR2}`);
    assert.deepEqual([testLoss, testAccuracy], [lossSum / 4, undefined]);
  });

  it('of several numbers add up errors and deviations over all outputs', () => {
    // r2_score([[0.5, 1], [-1, 1], [7, -6]], [[0, 2], [-1, 2], [8, -5]], multioutput='variance_weighted') = 0.9382566585956417.
    const targets = Float32Array.of(0.5, 1, -1, 1, 7, -6);
    const answers = testAnswers(layout('mse', 2), { targets, count: 3 });
    const { testR2 } = scoresOf(answers, { lossSum: lossSumOf([0, 2, -1, 2, 8, -5], targets, 2), predictions: NONE });
    assert.ok(Math.abs((testR2 as number) - 0.9382566585956417) < 1e-15, `${testR2}`);
  });

  it('of numbers that are all the same have R² 1 or 0', () => {
    const targets = new Float32Array(3).fill(0.7);
    const answers = testAnswers(layout('mse', 1), { targets, count: 3 });
    const r2 = (lossSum: number) => scoresOf(answers, { lossSum, predictions: NONE }).testR2;
    assert.deepEqual([r2(0), r2(1e-9)], [1, 0]);
  });

  it('of classes and labels have an accuracy instead', () => {
    const classes = testAnswers(layout('softmax', 3), {
      targets: Uint16Array.of(0, 2, 1),
      count: 3,
    });
    const scores = scoresOf(classes, { lossSum: 6, predictions: Uint16Array.of(0, 2, 2) });
    assert.deepEqual(scores, { testAccuracy: 2 / 3, testLoss: 2 });
    const labels = testAnswers(layout('sigmoid', 2), {
      targets: Float32Array.of(1, 0, 1, 1),
      count: 2,
    });
    assert.equal(scoresOf(labels, { lossSum: 1, predictions: Uint16Array.of(1, 0) }).testAccuracy, 0.5);
  });
});
