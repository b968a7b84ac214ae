import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cover, type ShardRange, unitCount } from '#src/shared/engine/tree.js';
import type { Cost } from '#src/shared/scheduler/speed.js';
import { SteadySplit, splitByCost } from '#src/shared/scheduler/split-by-cost.js';

const costOf = fc.record({
  shard: fc.double({ min: 0.05, max: 20, noNaN: true }),
  overhead: fc.double({ min: 0, max: 50, noNaN: true }),
});
const costsOf = fc.array(costOf, { minLength: 1, maxLength: 6 });
const shardsOf = fc.integer({ min: 1, max: 40 });

function timeOf(parts: readonly (readonly ShardRange[])[], costs: readonly Cost[]): number {
  return Math.max(...parts.map((ranges, i) => time(unitCount(ranges), costs[i] as Cost)));
}

function time(shards: number, { shard, overhead }: Cost): number {
  return shards === 0 ? 0 : overhead + shard * shards;
}

/** Machines without overhead, by their speeds. */
function bySpeed(...speeds: readonly number[]): Cost[] {
  return speeds.map((speed) => ({ shard: 1 / speed, overhead: 0 }));
}

/** The best time by trying every way to cut. */
function bestTime(shards: number, costs: readonly Cost[], from = 0): number {
  const [cost, ...others] = costs;
  if (cost === undefined) return from === shards ? 0 : Number.POSITIVE_INFINITY;
  let best = Number.POSITIVE_INFINITY;
  for (let end = from; end <= shards; end++) {
    if (end > from && cover(shards, from, end).length > 2) continue;
    best = Math.min(best, Math.max(time(end - from, cost), bestTime(shards, others, end)));
  }
  return best;
}

describe('splitting by cost', () => {
  test('gives at most two ranges a machine, and together the whole tree in order', () => {
    fc.assert(
      fc.property(shardsOf, costsOf, (shards, costs) => {
        const parts = splitByCost(shards, costs);
        assert.equal(parts.length, costs.length);
        assert.ok(parts.every((ranges) => ranges.length <= 2));
        for (const { begin, end } of parts.flat()) assert.deepEqual(cover(shards, begin, end), [{ begin, end }]);
        const units = parts
          .flat()
          .flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
        assert.deepEqual(
          units,
          Array.from({ length: shards }, (_, i) => i),
        );
      }),
    );
  });

  test('finds the split that is done first', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 16 }),
        fc.array(costOf, { minLength: 1, maxLength: 4 }),
        (shards, costs) => {
          assert.equal(timeOf(splitByCost(shards, costs), costs), bestTime(shards, costs));
        },
      ),
    );
  });

  test('leaves a machine out that costs more than it saves', () => {
    const near = { shard: 1, overhead: 0 };
    const sizes = (overhead: number): number[] => splitByCost(16, [near, { shard: 1, overhead }]).map(unitCount);
    assert.deepEqual([0, 8, 20].map(sizes), [
      [8, 8],
      [12, 4],
      [16, 0],
    ]);
  });

  test('follows the costs, but not their noise', () => {
    const parts = new SteadySplit();
    const even = parts.split(128, bySpeed(1, 1, 1, 1));
    assert.deepEqual(even.map(unitCount), [32, 32, 32, 32]);
    assert.equal(parts.split(128, bySpeed(1.02, 0.98, 1, 1)), even);
    const slow = parts.split(128, bySpeed(1, 1, 1, 0.1)).map(unitCount);
    assert.ok((slow[3] as number) <= 8, String(slow));
    assert.deepEqual(parts.split(128, bySpeed(1, 1)).map(unitCount), [64, 64]);
    assert.deepEqual(
      parts
        .split(1, bySpeed(1, 1, 1))
        .map(unitCount)
        .sort(),
      [0, 0, 1],
    );
  });

  test('works for fifty machines, and for the largest batch', () => {
    const costs = bySpeed(...Array.from({ length: 50 }, (_, i) => 1 + (i % 3)));
    for (const shards of [64, 8192]) {
      const sizes = splitByCost(shards, costs).map(unitCount);
      assert.equal(
        sizes.reduce((sum, size) => sum + size),
        shards,
      );
    }
  });
});
