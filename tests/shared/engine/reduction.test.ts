import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { PartialGradient } from '#src/shared/engine/executor.js';
import { addPartials } from '#src/shared/engine/partials.js';
import { cover, type ShardRange, splitOf } from '#src/shared/engine/tree.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { ShardLedger } from '#src/shared/scheduler/ledger.js';
import { splitBySpeed } from '#src/shared/scheduler/split-by-speed.js';
import { at } from '../../support/reference/arrays.ts';

const MAX_SHARDS = 70;
/** As src/shared/scheduler/policy.ts has it. */
const MAX_ATTEMPTS = 5;

const shardCounts = fc.integer({ min: 1, max: MAX_SHARDS });

/** Ascending, disjoint ranges of shards; neighbours may touch. */
function rangesOf(shards: number): fc.Arbitrary<ShardRange[]> {
  return fc.array(fc.nat({ max: shards }), { maxLength: 8 }).map((edges) => {
    const sorted = [...edges].sort((a, b) => a - b);
    return sorted.flatMap((begin, i) => {
      const end = sorted[i + 1];
      return i % 3 === 2 || end === undefined || begin === end ? [] : [{ begin, end }];
    });
  });
}

/** Ascending, disjoint nodes of the tree; at least one. */
function nodesOf(shards: number): fc.Arbitrary<ShardRange[]> {
  const whole = [{ begin: 0, end: shards }];
  return rangesOf(shards).map((ranges) =>
    ranges.length === 0 ? whole : ranges.flatMap(({ begin, end }) => cover(shards, begin, end)),
  );
}

function unitsOf(ranges: readonly ShardRange[]): number[] {
  return ranges.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
}

function isTreeNode(shards: number, { begin, end }: ShardRange): boolean {
  return cover(shards, begin, end).length === 1;
}

describe('splitting by speed', () => {
  const splits = shardCounts.chain((shards) =>
    fc.record({
      shards: fc.constant(shards),
      missing: rangesOf(shards),
      speeds: fc.array(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }),
    }),
  );

  test('covers exactly what is missing, in order, by tree nodes alone', () => {
    fc.assert(
      fc.property(splits, ({ shards, missing, speeds }) => {
        const assigned = splitBySpeed(shards, missing, speeds);
        assert.equal(assigned.length, speeds.length);
        assert.deepEqual(unitsOf(assigned.flat()), unitsOf(missing));
        for (const range of assigned.flat())
          assert.ok(isTreeNode(shards, range), `${range.begin}-${range.end} of ${shards}`);
      }),
    );
  });

  test('gives each worker its proportion, to less than a shard at either end', () => {
    fc.assert(
      fc.property(splits, ({ shards, missing, speeds }) => {
        const total = unitsOf(missing).length;
        const all = speeds.reduce((sum, speed) => sum + speed, 0);
        splitBySpeed(shards, missing, speeds).forEach((ranges, worker) => {
          const due = (total * at(speeds, worker)) / all;
          const given = unitsOf(ranges).length;
          assert.ok(Math.abs(given - due) <= 1 + 1e-9, `worker ${worker} is due ${due} and was given ${given}`);
        });
      }),
    );
  });

  test('gives equal workers equal halves: one node each', () => {
    assert.deepEqual(splitBySpeed(16, [{ begin: 0, end: 16 }], [3, 3]), [
      [{ begin: 0, end: 8 }],
      [{ begin: 8, end: 16 }],
    ]);
    assert.deepEqual(splitBySpeed(16, [{ begin: 0, end: 16 }], []), []);
  });
});

describe('a ledger', () => {
  const ledgers = shardCounts.chain((shards) =>
    fc.record({
      shards: fc.constant(shards),
      wanted: nodesOf(shards),
      choices: fc.infiniteStream(fc.nat({ max: 2 ** 30 })),
    }),
  );

  test('ends, whatever becomes of the attempts, in disjoint results that make up the wanted nodes', () => {
    fc.assert(
      fc.property(ledgers, ({ shards, wanted, choices }) => {
        const model = new LedgerModel(shards, wanted, (bound) => (choices.next().value as number) % bound);
        while (!model.ledger.complete && !model.retriesExhausted) model.step();
        if (!model.retriesExhausted) model.checkResults();
      }),
      { numRuns: 400 },
    );
  });

  test('keeps adjacent siblings apart', () => {
    const wanted = [
      { begin: 0, end: 4 },
      { begin: 4, end: 8 },
    ];
    const ledger = new ShardLedger<string>(8, wanted);
    for (const range of splitBySpeed(8, ledger.missing(), [1]).flat())
      ledger.succeed(range, `${range.begin}-${range.end}`);
    assert.deepEqual(ledger.results(), ['0-4', '4-8']);
  });

  test('knows why a unit is assigned', () => {
    const ledger = new ShardLedger<string>(8, [{ begin: 0, end: 8 }]);
    const counts = { first: 0, retry: 0, duplicate: 0 };
    const [left, right] = [[{ begin: 0, end: 4 }], [{ begin: 4, end: 8 }]] as const;
    ledger.hold(left, counts);
    ledger.hold(right, counts);
    assert.deepEqual(counts, { first: 8, retry: 0, duplicate: 0 });
    ledger.release(left);
    ledger.fail(left);
    ledger.hold(left, counts);
    assert.deepEqual(counts, { first: 8, retry: 4, duplicate: 0 });
    ledger.giveUp(right);
    assert.deepEqual(ledger.missing(), right);
    ledger.hold([{ begin: 4, end: 6 }], counts);
    assert.deepEqual(counts, { first: 8, retry: 4, duplicate: 2 });
    // The slow one failed before others had all of it.
    ledger.fail(right);
    ledger.hold([{ begin: 6, end: 8 }], counts);
    assert.deepEqual(counts, { first: 8, retry: 6, duplicate: 2 });
  });

  test('is given up when a unit has failed five times, however it was assigned', () => {
    const ledger = new ShardLedger<string>(8, [{ begin: 0, end: 8 }]);
    const attempts = [
      [0, 8],
      [4, 8],
      [4, 6],
      [5, 6],
    ] as const;
    for (const [begin, end] of attempts) assert.equal(ledger.fail([{ begin, end }]), undefined);
    assert.equal(ledger.fail([{ begin: 0, end: 4 }]), undefined);
    assert.equal(ledger.fail([{ begin: 4, end: 8 }]), 5);
  });
});

interface ModelAttempt {
  readonly ranges: readonly ShardRange[];
  abandoned: boolean;
}

/** Drives a ledger as the pool does, and keeps by the unit what it should know. */
class LedgerModel {
  readonly ledger: ShardLedger<ShardRange>;
  retriesExhausted = false;
  readonly #shards: number;
  readonly #wanted: readonly ShardRange[];
  readonly #choose: (bound: number) => number;
  readonly #done = new Set<number>();
  readonly #failures: number[];
  readonly #succeeded: ShardRange[] = [];
  readonly #attempts: ModelAttempt[] = [];

  constructor(shards: number, wanted: readonly ShardRange[], choose: (bound: number) => number) {
    this.ledger = new ShardLedger(shards, wanted);
    this.#shards = shards;
    this.#wanted = wanted;
    this.#choose = choose;
    this.#failures = new Array<number>(shards).fill(0);
  }

  step(): void {
    const held = new Set(this.#attempts.flatMap(({ ranges, abandoned }) => (abandoned ? [] : unitsOf(ranges))));
    const missing = unitsOf(this.#wanted).filter((unit) => !this.#done.has(unit) && !held.has(unit));
    assert.deepEqual(unitsOf(this.ledger.missing()), missing);
    if (missing.length > 0 && (this.#attempts.length === 0 || this.#choose(2) === 0)) this.#split();
    else this.#continue(at(this.#attempts, this.#choose(this.#attempts.length)));
    assert.equal(
      this.ledger.complete,
      unitsOf(this.#wanted).every((unit) => this.#done.has(unit)),
    );
  }

  checkResults(): void {
    const results = this.ledger.results();
    assert.deepEqual(unitsOf(results), unitsOf(this.#wanted));
    for (const range of results) assert.ok(this.#succeeded.includes(range), 'a result that no attempt gave');
  }

  /** Workers take some of what is missing. */
  #split(): void {
    const speeds = Array.from({ length: 1 + this.#choose(4) }, () => 1 + this.#choose(3));
    for (const ranges of splitBySpeed(this.#shards, this.ledger.missing(), speeds)) {
      if (ranges.length === 0 || this.#choose(4) === 0) continue;
      this.ledger.hold(ranges);
      this.#attempts.push({ ranges, abandoned: false });
    }
  }

  #continue(attempt: ModelAttempt): void {
    const fate = this.#choose(6);
    if (fate === 0 && !attempt.abandoned) {
      attempt.abandoned = true;
      this.ledger.release(attempt.ranges);
      return;
    }
    this.#attempts.splice(this.#attempts.indexOf(attempt), 1);
    if (!attempt.abandoned) this.ledger.release(attempt.ranges);
    if (fate === 1) this.#fail(attempt);
    else this.#succeed(attempt);
  }

  #succeed({ ranges }: ModelAttempt): void {
    for (const range of ranges) {
      this.ledger.succeed(range, range);
      this.#succeeded.push(range);
    }
    for (const unit of unitsOf(ranges)) this.#done.add(unit);
  }

  #fail({ ranges }: ModelAttempt): void {
    const units = unitsOf(ranges);
    for (const unit of units) this.#failures[unit] = at(this.#failures, unit) + 1;
    const expected = units.find((unit) => at(this.#failures, unit) >= MAX_ATTEMPTS);
    assert.equal(this.ledger.fail(ranges), expected);
    this.retriesExhausted = expected !== undefined;
  }
}

describe('reducing', () => {
  const PARAMETERS = 11;
  const memory = new SharedMemory();
  const kernel = instantiateKernel(compileKernel(), memory.memory);
  // A partial a shard at the most.
  const vectors = Array.from({ length: MAX_SHARDS }, () => memory.parameters(PARAMETERS));

  interface Sums {
    readonly gradient: readonly number[];
    readonly lossSum: number;
    readonly correct: number;
  }

  /** By the definition of the tree alone, in float32 as JavaScript rounds it. */
  function recursion(leaves: readonly Sums[], { begin, end }: ShardRange): Sums {
    if (end - begin === 1) return at(leaves, begin);
    const split = splitOf({ begin, end });
    const left = recursion(leaves, { begin, end: split });
    const right = recursion(leaves, { begin: split, end });
    return {
      gradient: left.gradient.map((value, i) => Math.fround(value + at(right.gradient, i))),
      lossSum: left.lossSum + right.lossSum,
      correct: left.correct + right.correct,
    };
  }

  const floats = fc.float({ noNaN: true, noDefaultInfinity: true, min: -1024, max: 1024 });
  const leaf = fc.record({
    gradient: fc.array(floats, { minLength: PARAMETERS, maxLength: PARAMETERS }),
    lossSum: fc.double({ min: 0, max: 100, noNaN: true }),
    correct: fc.nat({ max: 8 }),
  });
  const cases = fc.record({
    leaves: fc.array(leaf, { minLength: 1, maxLength: MAX_SHARDS }),
    speeds: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
    order: fc.infiniteStream(fc.nat({ max: 2 ** 30 })),
  });

  test('gives the bits of the full recursion, however the shards were split and in whatever order partials came', () => {
    fc.assert(
      fc.property(cases, ({ leaves, speeds, order }) => {
        const root = { begin: 0, end: leaves.length };
        const partials: PartialGradient[] = splitBySpeed(leaves.length, [root], speeds)
          .flat()
          .map((range, i) => {
            const gradient = at(vectors, i);
            const sums = recursion(leaves, range);
            gradient.set(sums.gradient);
            return { range, ...sums, gradient };
          })
          .map((partial) => ({ partial, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ partial }) => partial);
        const { gradient, ...sums } = addPartials(kernel, partials, root);
        assert.deepEqual({ ...sums, gradient: [...gradient] }, { range: root, ...recursion(leaves, root) });
      }),
      { numRuns: 200 },
    );
  });

  test('refuses partials with a hole', () => {
    const partial = { range: { begin: 0, end: 2 }, gradient: at(vectors, 0), lossSum: 0, correct: 0 };
    assert.throws(() => addPartials(kernel, [partial], { begin: 0, end: 3 }), /No partial has shard 2/);
  });
});
