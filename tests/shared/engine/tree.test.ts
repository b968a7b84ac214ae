import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cover, type ShardRange, splitOf } from '#src/shared/engine/tree.js';

const shards = fc.integer({ min: 1, max: 200 });

function nodesUnder(range: ShardRange): ShardRange[] {
  if (range.end - range.begin === 1) return [range];
  const split = splitOf(range);
  return [range, ...nodesUnder({ begin: range.begin, end: split }), ...nodesUnder({ begin: split, end: range.end })];
}

function keyOf({ begin, end }: ShardRange): string {
  return `${begin}-${end}`;
}

/** Sums float32 leaves in the tree's order, taking ready partials where there are any. */
function reduce(leaves: Float32Array, range: ShardRange, partials: ReadonlyMap<string, number> = new Map()): number {
  const ready = partials.get(keyOf(range));
  if (ready !== undefined) return ready;
  if (range.end - range.begin === 1) return leaves[range.begin] as number;
  const split = splitOf(range);
  return Math.fround(
    reduce(leaves, { begin: range.begin, end: split }, partials) +
      reduce(leaves, { begin: split, end: range.end }, partials),
  );
}

/** A number of shards and a range within it. */
const ranges = shards.chain((count) =>
  fc.tuple(fc.nat({ max: count }), fc.nat({ max: count })).map(([a, b]) => ({
    count,
    begin: Math.min(a, b),
    end: Math.max(a, b),
  })),
);

test('a node splits after the largest power of two below its length', () => {
  const splits = [2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 100].map((length) => splitOf({ begin: 0, end: length }));
  assert.deepEqual(splits, [1, 2, 2, 4, 4, 4, 4, 8, 8, 16, 64]);
  fc.assert(
    fc.property(fc.nat({ max: 1e6 }), fc.integer({ min: 2, max: 1e6 }), (begin, length) => {
      const left = splitOf({ begin, end: begin + length }) - begin;
      assert.ok(Number.isInteger(Math.log2(left)));
      assert.ok(left < length && 2 * left >= length);
    }),
  );
});

test('a tree of S shards has S leaves and S - 1 sums', () => {
  fc.assert(
    fc.property(shards, (count) => {
      const ranges = nodesUnder({ begin: 0, end: count });
      const leaves = ranges.filter(({ begin, end }) => end - begin === 1);
      assert.deepEqual(
        leaves.map(({ begin }) => begin),
        Array.from({ length: count }, (_, shard) => shard),
      );
      assert.equal(ranges.length, 2 * count - 1);
    }),
  );
});

test('the whole range is covered by the root, an empty one by nothing', () => {
  fc.assert(
    fc.property(shards, fc.nat(), (count, at) => {
      assert.deepEqual(cover(count, 0, count), [{ begin: 0, end: count }]);
      assert.deepEqual(cover(count, at % (count + 1), at % (count + 1)), []);
    }),
  );
});

test('a cover is made of tree nodes and partitions its range in order', () => {
  fc.assert(
    fc.property(ranges, ({ count, begin, end }) => {
      const known = new Set(nodesUnder({ begin: 0, end: count }).map(keyOf));
      let next = begin;
      for (const range of cover(count, begin, end)) {
        assert.ok(known.has(keyOf(range)), `${keyOf(range)} of ${count}`);
        assert.equal(range.begin, next);
        next = range.end;
      }
      assert.equal(next, end);
    }),
  );
});

test('a cover has as few nodes as can be', () => {
  fc.assert(
    fc.property(ranges, ({ count, begin, end }) => {
      // fewest[e - begin]: the least number of tree nodes that make up [begin, e).
      const ranges = nodesUnder({ begin: 0, end: count }).sort((a, b) => a.end - b.end);
      const fewest = new Array<number>(end - begin + 1).fill(Infinity).fill(0, 0, 1);
      for (const range of ranges) {
        if (range.begin < begin || range.end > end) continue;
        const joined = (fewest[range.begin - begin] as number) + 1;
        fewest[range.end - begin] = Math.min(fewest[range.end - begin] as number, joined);
      }
      assert.equal(cover(count, begin, end).length, fewest[end - begin]);
    }),
  );
});

test('any assignment of the shards sums to the same bits', () => {
  const cases = fc
    .array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1024, max: 1024 }), { minLength: 1, maxLength: 150 })
    .chain((leaves) => fc.record({ leaves: fc.constant(leaves), cuts: fc.array(fc.nat({ max: leaves.length })) }));
  fc.assert(
    fc.property(cases, ({ leaves: numbers, cuts }) => {
      const leaves = Float32Array.from(numbers);
      const root = { begin: 0, end: leaves.length };
      const edges = [0, ...cuts, leaves.length].sort((a, b) => a - b);
      const partials = new Map<string, number>();
      edges.slice(1).forEach((end, i) => {
        for (const range of cover(leaves.length, edges[i] as number, end)) {
          partials.set(keyOf(range), reduce(leaves, range));
        }
      });
      assert.ok(Object.is(reduce(leaves, root, partials), reduce(leaves, root)));
    }),
    { numRuns: 300 },
  );
});

test('the order matters: a running sum has other bits than the tree', () => {
  const leaves = Float32Array.from({ length: 16 }, (_, i) => 1 / (i + 3));
  const running = leaves.reduce((sum, leaf) => Math.fround(sum + leaf), 0);
  assert.notEqual(running, reduce(leaves, { begin: 0, end: 16 }));
});
