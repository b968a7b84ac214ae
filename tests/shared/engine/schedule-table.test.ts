import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { factorAt } from '#src/shared/engine/schedule-table.js';

describe("a schedule's table", () => {
  const table = [
    [10, 0],
    [14, 1],
    [20, 1],
    [22, 0.25],
  ] as const;
  const factors = (steps: readonly number[]) => steps.map((step) => factorAt(table, step));

  test('is linear between its points', () => {
    assert.deepEqual(factors([10, 11, 12, 13, 14]), [0, 0.25, 0.5, 0.75, 1]);
    assert.deepEqual(factors([17, 20, 21, 22]), [1, 1, 0.625, 0.25]);
  });

  test('has the factor of its first point before it, and that of its last one after it', () => {
    assert.deepEqual(factors([0, 9]), [0, 0]);
    assert.deepEqual(factors([23, 2 ** 32 - 1]), [0.25, 0.25]);
  });

  test('of one point is constant', () => {
    for (const step of [0, 5, 6, 7]) assert.equal(factorAt([[6, 0.5]], step), 0.5);
  });

  test('jumps from one step to the next', () => {
    const jump = [
      [4, 1],
      [5, 0.1],
    ] as const;
    assert.deepEqual([factorAt(jump, 4), factorAt(jump, 5)], [1, 0.1]);
  });
});
