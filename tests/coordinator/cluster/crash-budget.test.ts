import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CrashBudget } from '#src/coordinator/cluster/crash-budget.js';

test('a node may fail ten times, and once more for every hundred assignments that it does', () => {
  const budget = new CrashBudget();
  for (let crash = 1; crash <= 10; crash++) {
    assert.equal(budget.isSpent, false, `before crash ${crash}`);
    budget.spend();
  }
  assert.equal(budget.isSpent, true);
  for (let assignment = 0; assignment < 101; assignment++) budget.earn();
  assert.equal(budget.isSpent, false);
  budget.spend();
  assert.equal(budget.isSpent, true);
});

test('work that was done long ago saves up no more than ten', () => {
  const budget = new CrashBudget();
  for (let assignment = 0; assignment < 10_000; assignment++) budget.earn();
  for (let crash = 0; crash < 10; crash++) budget.spend();
  assert.equal(budget.isSpent, true);
});
