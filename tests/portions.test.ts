import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Portions } from '#src/shared/reduction/portions.js';
import { cover, type TreeNode, unitCount } from '#src/shared/tree.js';

const speedsOf = fc.array(fc.double({ min: 0.05, max: 20, noNaN: true }), { minLength: 1, maxLength: 6 });
const shardsOf = fc.integer({ min: 1, max: 40 });

function timeOf(portions: readonly (readonly TreeNode[])[], speeds: readonly number[]): number {
  return Math.max(...portions.map((nodes, i) => unitCount(nodes) / (speeds[i] as number)));
}

/** The best time by trying every way to cut. */
function bestTime(shards: number, speeds: readonly number[], from = 0): number {
  const [speed, ...others] = speeds;
  if (speed === undefined) return from === shards ? 0 : Number.POSITIVE_INFINITY;
  let best = Number.POSITIVE_INFINITY;
  for (let end = from; end <= shards; end++) {
    if (end > from && cover(shards, from, end).length > 2) continue;
    best = Math.min(best, Math.max((end - from) / speed, bestTime(shards, others, end)));
  }
  return best;
}

describe('portions', () => {
  test('are at most two nodes a machine, and together the whole tree in order', () => {
    fc.assert(
      fc.property(shardsOf, speedsOf, (shards, speeds) => {
        const portions = new Portions().deal(shards, speeds);
        assert.equal(portions.length, speeds.length);
        assert.ok(portions.every((nodes) => nodes.length <= 2));
        for (const { begin, end } of portions.flat()) assert.deepEqual(cover(shards, begin, end), [{ begin, end }]);
        const units = portions
          .flat()
          .flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
        assert.deepEqual(
          units,
          Array.from({ length: shards }, (_, i) => i),
        );
      }),
    );
  });

  test('are the fairest that there are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.array(fc.double({ min: 0.1, max: 9, noNaN: true }), { minLength: 1, maxLength: 4 }),
        (shards, speeds) => {
          assert.equal(timeOf(new Portions().deal(shards, speeds), speeds), bestTime(shards, speeds));
        },
      ),
    );
  });

  test('follow the speeds, but not their noise', () => {
    const portions = new Portions();
    const even = portions.deal(128, [1, 1, 1, 1]);
    assert.deepEqual(even.map(unitCount), [32, 32, 32, 32]);
    assert.equal(portions.deal(128, [1.02, 0.98, 1, 1]), even);
    const slow = portions.deal(128, [1, 1, 1, 0.1]).map(unitCount);
    assert.ok((slow[3] as number) <= 8, String(slow));
    assert.deepEqual(portions.deal(128, [1, 1]).map(unitCount), [64, 64]);
    assert.deepEqual(portions.deal(1, [1, 1, 1]).map(unitCount).sort(), [0, 0, 1]);
  });

  test('are found for fifty machines, and for the largest batch', () => {
    const speeds = Array.from({ length: 50 }, (_, i) => 1 + (i % 3));
    for (const shards of [64, 8192]) {
      const sizes = new Portions().deal(shards, speeds).map(unitCount);
      assert.equal(
        sizes.reduce((sum, size) => sum + size),
        shards,
      );
    }
  });
});
