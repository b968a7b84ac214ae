import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { classScores, confusedPairs, labelScores, worstFirst } from '#src/inspect/scores/class-scores.js';
import { valueErrors } from '#src/inspect/scores/value-errors.js';
import { confusionOf } from '#src/shared/engine/evaluation.js';
import { at } from '../../support/reference/arrays.ts';

/** Samples that give a matrix of [truth][guess]. */
function samplesOf(matrix: readonly (readonly number[])[]) {
  const pairs = matrix.flatMap((row, truth) =>
    row.flatMap((n, guess) => Array.from({ length: n }, () => [truth, guess])),
  );
  const column = (i: 0 | 1): Uint16Array => Uint16Array.from(pairs, (pair) => pair[i] as number);
  return { truths: column(0), guesses: column(1), classes: matrix.length };
}

function scoresOf(matrix: readonly (readonly number[])[]) {
  const { truths, guesses, classes } = samplesOf(matrix);
  assert.deepEqual(confusionOf(truths, guesses, classes), matrix);
  return classScores(truths, guesses, classes);
}

describe('precision, recall and F1', () => {
  test('of two classes, as computed by hand', () => {
    const { each, macro } = scoresOf([
      [6, 2],
      [1, 3],
    ]);
    assert.deepEqual(each, [
      { support: 8, predicted: 7, precision: 6 / 7, recall: 6 / 8, f1: 12 / 15 },
      { support: 4, predicted: 5, precision: 3 / 5, recall: 3 / 4, f1: 6 / 9 },
    ]);
    assert.deepEqual(macro, { precision: (6 / 7 + 3 / 5) / 2, recall: 3 / 4, f1: (12 / 15 + 6 / 9) / 2 });
  });

  test('are 0 for a class that is never predicted, and for one that no sample has', () => {
    const { each, macro } = scoresOf([
      [4, 0, 0, 1],
      [5, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    assert.deepEqual(at(each, 1), { support: 5, predicted: 0, precision: 0, recall: 0, f1: 0 });
    assert.deepEqual(at(each, 2), { support: 0, predicted: 0, precision: 0, recall: 0, f1: 0 });
    assert.deepEqual(at(each, 3), { support: 0, predicted: 1, precision: 0, recall: 0, f1: 0 });
    // As scikit-learn has it, the class that is neither true of a sample nor predicted doesn't count.
    assert.deepEqual(macro, { precision: 4 / 9 / 3, recall: 4 / 5 / 3, f1: 8 / 14 / 3 });
    assert.deepEqual(worstFirst({ each, macro }), [1, 3, 0]);
  });

  test('of 1,000 classes, of which one in ten is taken for the next', () => {
    const truths = Uint16Array.from({ length: 10_000 }, (_, i) => i % 1000);
    const guesses = truths.map((truth, i) => (i < 1000 ? (truth + 1) % 1000 : truth));
    const { each, macro } = classScores(truths, guesses, 1000);
    for (const score of each)
      assert.deepEqual(score, { support: 10, predicted: 10, precision: 0.9, recall: 0.9, f1: 0.9 });
    for (const rate of Object.values(macro)) assert.ok(Math.abs(rate - 0.9) < 1e-12);
    const pairs = confusedPairs(truths, guesses, 1000);
    assert.equal(pairs.length, 1000);
    assert.deepEqual(pairs.at(-1), { truth: 999, guess: 0, samples: 1 });
  });

  test('of labels, each by itself', () => {
    const targets = Float32Array.of(1, 0, 1, 1, 0, 0, 1, 0);
    // Said: both, the first, none, none.
    const outputs = Float32Array.of(2, 1, 3, -1, -1, -2, -3, -4);
    const parts = [partOf(0, outputs.subarray(0, 6), 3), partOf(3, outputs.subarray(6), 1)];
    const { accuracy, scores } = labelScores(parts, targets, 2);
    assert.equal(accuracy, 1 / 4);
    assert.deepEqual(scores.each, [
      { support: 3, predicted: 2, precision: 1, recall: 2 / 3, f1: 4 / 5 },
      { support: 1, predicted: 1, precision: 0, recall: 0, f1: 0 },
    ]);
    assert.deepEqual(scores.macro, { precision: 1 / 2, recall: 1 / 3, f1: 2 / 5 });
  });
});

test('pairs of classes that were confused are in order of how often they were', () => {
  const matrix = [
    [1, 2, 0],
    [3, 0, 2],
    [0, 1, 9],
  ];
  const { truths, guesses, classes } = samplesOf(matrix);
  assert.deepEqual(confusedPairs(truths, guesses, classes), [
    { truth: 1, guess: 0, samples: 3 },
    { truth: 0, guess: 1, samples: 2 },
    { truth: 1, guess: 2, samples: 2 },
    { truth: 2, guess: 1, samples: 1 },
  ]);
});

test('errors of numbers, as computed by hand', () => {
  const targets = Float32Array.of(1, 10, 2, 10, 3, 10, 6, 10);
  const outputs = Float32Array.of(1, 11, 4, 9, 3, 11, 5, 9);
  const parts = [partOf(0, outputs.subarray(0, 6), 3), partOf(3, outputs.subarray(6), 1)];
  const { mae, rmse, r2, each, predictions } = valueErrors(parts, targets, 2);
  // The first output's mean is 3, around which its squares are 4 + 1 + 0 + 9; the second one never varies.
  assert.deepEqual(each, [
    { mae: 3 / 4, rmse: Math.sqrt(5 / 4), r2: 1 - 5 / 14 },
    { mae: 1, rmse: 1, r2: 0 },
  ]);
  assert.deepEqual({ mae, rmse, r2 }, { mae: 7 / 8, rmse: Math.sqrt(9 / 8), r2: 1 - 9 / 14 });
  assert.deepEqual(
    predictions.map((own) => [...own]),
    [
      [1, 4, 3, 5],
      [11, 9, 11, 9],
    ],
  );
});

function partOf(first: number, outputs: Float32Array, count: number) {
  return { first, count, outputs, probabilities: new Float32Array(), predictions: new Uint16Array() };
}
