import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Partial } from '#src/shared/engine/executor.js';
import { addPartials } from '#src/shared/engine/partials.js';
import { cover, splitOf, type TreeNode } from '#src/shared/engine/tree.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { Round } from '#src/shared/scheduler/ledger.js';
import { Dealer } from '#src/shared/scheduler/split-by-speed.js';
import { at } from '../../support/reference/arrays.ts';

const MAXIMUM_SHARDS = 70;
/** As src/shared/reduction/round.ts has it. */
const MAXIMUM_TRIES = 5;

/** By a dealer of its own, and again by one that has dealt before: the same. */
const seasoned = new Dealer();
function deal(...work: Parameters<Dealer['deal']>): ReturnType<Dealer['deal']> {
  const dealt = new Dealer().deal(...work);
  assert.deepEqual(seasoned.deal(...work), dealt);
  assert.deepEqual(seasoned.deal(...work), dealt);
  return dealt;
}

const shardCounts = fc.integer({ min: 1, max: MAXIMUM_SHARDS });

/** Ascending, disjoint ranges of shards; neighbours may touch. */
function rangesOf(shards: number): fc.Arbitrary<TreeNode[]> {
  return fc.array(fc.nat({ max: shards }), { maxLength: 8 }).map((edges) => {
    const sorted = [...edges].sort((a, b) => a - b);
    return sorted.flatMap((begin, i) => {
      const end = sorted[i + 1];
      return i % 3 === 2 || end === undefined || begin === end ? [] : [{ begin, end }];
    });
  });
}

/** Ascending, disjoint nodes of the tree; at least one. */
function nodesOf(shards: number): fc.Arbitrary<TreeNode[]> {
  const whole = [{ begin: 0, end: shards }];
  return rangesOf(shards).map((ranges) =>
    ranges.length === 0 ? whole : ranges.flatMap(({ begin, end }) => cover(shards, begin, end)),
  );
}

function unitsOf(nodes: readonly TreeNode[]): number[] {
  return nodes.flatMap(({ begin, end }) => Array.from({ length: end - begin }, (_, i) => begin + i));
}

function isTreeNode(shards: number, { begin, end }: TreeNode): boolean {
  return cover(shards, begin, end).length === 1;
}

describe('dealing', () => {
  const dealings = shardCounts.chain((shards) =>
    fc.record({
      shards: fc.constant(shards),
      missing: rangesOf(shards),
      speeds: fc.array(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 }),
    }),
  );

  test('covers exactly what is missing, in order, by tree nodes alone', () => {
    fc.assert(
      fc.property(dealings, ({ shards, missing, speeds }) => {
        const dealt = deal(shards, missing, speeds);
        assert.equal(dealt.length, speeds.length);
        assert.deepEqual(unitsOf(dealt.flat()), unitsOf(missing));
        for (const node of dealt.flat()) assert.ok(isTreeNode(shards, node), `${node.begin}-${node.end} of ${shards}`);
      }),
    );
  });

  test('gives each worker its proportion, to less than a shard at either end', () => {
    fc.assert(
      fc.property(dealings, ({ shards, missing, speeds }) => {
        const total = unitsOf(missing).length;
        const all = speeds.reduce((sum, speed) => sum + speed, 0);
        deal(shards, missing, speeds).forEach((nodes, worker) => {
          const due = (total * at(speeds, worker)) / all;
          const given = unitsOf(nodes).length;
          assert.ok(Math.abs(given - due) <= 1 + 1e-9, `worker ${worker} is due ${due} and was given ${given}`);
        });
      }),
    );
  });

  test('gives equal workers equal halves: one node each', () => {
    assert.deepEqual(deal(16, [{ begin: 0, end: 16 }], [3, 3]), [[{ begin: 0, end: 8 }], [{ begin: 8, end: 16 }]]);
    assert.deepEqual(deal(16, [{ begin: 0, end: 16 }], []), []);
  });
});

describe('a round', () => {
  const rounds = shardCounts.chain((shards) =>
    fc.record({
      shards: fc.constant(shards),
      wanted: nodesOf(shards),
      choices: fc.infiniteStream(fc.nat({ max: 2 ** 30 })),
    }),
  );

  test('ends, whatever becomes of the attempts, in disjoint results that make up the wanted nodes', () => {
    fc.assert(
      fc.property(rounds, ({ shards, wanted, choices }) => {
        const model = new RoundModel(shards, wanted, (bound) => (choices.next().value as number) % bound);
        while (!model.round.complete && !model.hopeless) model.step();
        if (!model.hopeless) model.checkResults();
      }),
      { numRuns: 400 },
    );
  });

  test('wants adjacent siblings one by one', () => {
    const wanted = [
      { begin: 0, end: 4 },
      { begin: 4, end: 8 },
    ];
    const round = new Round<string>(8, wanted);
    for (const node of deal(8, round.missing(), [1]).flat()) round.succeed(node, `${node.begin}-${node.end}`);
    assert.deepEqual(round.results(), ['0-4', '4-8']);
  });

  test('knows why a unit is dealt', () => {
    const round = new Round<string>(8, [{ begin: 0, end: 8 }]);
    const counts = { first: 0, retry: 0, duplicate: 0 };
    const [left, right] = [[{ begin: 0, end: 4 }], [{ begin: 4, end: 8 }]] as const;
    round.hold(left, counts);
    round.hold(right, counts);
    assert.deepEqual(counts, { first: 8, retry: 0, duplicate: 0 });
    round.abandon(left);
    round.fail(left);
    round.hold(left, counts);
    assert.deepEqual(counts, { first: 8, retry: 4, duplicate: 0 });
    round.giveUp(right);
    assert.deepEqual(round.missing(), right);
    round.hold([{ begin: 4, end: 6 }], counts);
    assert.deepEqual(counts, { first: 8, retry: 4, duplicate: 2 });
    // The slow one failed before others had all of it.
    round.fail(right);
    round.hold([{ begin: 6, end: 8 }], counts);
    assert.deepEqual(counts, { first: 8, retry: 6, duplicate: 2 });
  });

  test('is given up when a unit has failed five times, however it was dealt', () => {
    const round = new Round<string>(8, [{ begin: 0, end: 8 }]);
    const attempts = [
      [0, 8],
      [4, 8],
      [4, 6],
      [5, 6],
    ] as const;
    for (const [begin, end] of attempts) assert.equal(round.fail([{ begin, end }]), undefined);
    assert.equal(round.fail([{ begin: 0, end: 4 }]), undefined);
    assert.equal(round.fail([{ begin: 4, end: 8 }]), 5);
  });
});

interface ModelAttempt {
  readonly nodes: readonly TreeNode[];
  abandoned: boolean;
}

/** Drives a round as the pool does, and keeps by the unit what it should know. */
class RoundModel {
  readonly round: Round<TreeNode>;
  hopeless = false;
  readonly #shards: number;
  readonly #wanted: readonly TreeNode[];
  readonly #choose: (bound: number) => number;
  readonly #done = new Set<number>();
  readonly #failures: number[];
  readonly #succeeded: TreeNode[] = [];
  readonly #attempts: ModelAttempt[] = [];

  constructor(shards: number, wanted: readonly TreeNode[], choose: (bound: number) => number) {
    this.round = new Round(shards, wanted);
    this.#shards = shards;
    this.#wanted = wanted;
    this.#choose = choose;
    this.#failures = new Array<number>(shards).fill(0);
  }

  step(): void {
    const held = new Set(this.#attempts.flatMap(({ nodes, abandoned }) => (abandoned ? [] : unitsOf(nodes))));
    const missing = unitsOf(this.#wanted).filter((unit) => !this.#done.has(unit) && !held.has(unit));
    assert.deepEqual(unitsOf(this.round.missing()), missing);
    if (missing.length > 0 && (this.#attempts.length === 0 || this.#choose(2) === 0)) this.#deal();
    else this.#continue(at(this.#attempts, this.#choose(this.#attempts.length)));
    assert.equal(
      this.round.complete,
      unitsOf(this.#wanted).every((unit) => this.#done.has(unit)),
    );
  }

  checkResults(): void {
    const results = this.round.results();
    assert.deepEqual(unitsOf(results), unitsOf(this.#wanted));
    for (const node of results) assert.ok(this.#succeeded.includes(node), 'a result that no attempt gave');
  }

  /** Workers take some of what is missing. */
  #deal(): void {
    const speeds = Array.from({ length: 1 + this.#choose(4) }, () => 1 + this.#choose(3));
    for (const nodes of deal(this.#shards, this.round.missing(), speeds)) {
      if (nodes.length === 0 || this.#choose(4) === 0) continue;
      this.round.hold(nodes);
      this.#attempts.push({ nodes, abandoned: false });
    }
  }

  #continue(attempt: ModelAttempt): void {
    const fate = this.#choose(6);
    if (fate === 0 && !attempt.abandoned) {
      attempt.abandoned = true;
      this.round.abandon(attempt.nodes);
      return;
    }
    this.#attempts.splice(this.#attempts.indexOf(attempt), 1);
    if (!attempt.abandoned) this.round.abandon(attempt.nodes);
    if (fate === 1) this.#fail(attempt);
    else this.#succeed(attempt);
  }

  #succeed({ nodes }: ModelAttempt): void {
    for (const node of nodes) {
      this.round.succeed(node, node);
      this.#succeeded.push(node);
    }
    for (const unit of unitsOf(nodes)) this.#done.add(unit);
  }

  #fail({ nodes }: ModelAttempt): void {
    const units = unitsOf(nodes);
    for (const unit of units) this.#failures[unit] = at(this.#failures, unit) + 1;
    const expected = units.find((unit) => at(this.#failures, unit) >= MAXIMUM_TRIES);
    assert.equal(this.round.fail(nodes), expected);
    this.hopeless = expected !== undefined;
  }
}

describe('reducing', () => {
  const PARAMETERS = 11;
  const memory = new SharedMemory();
  const kernel = instantiateKernel(compileKernel(), memory.memory);
  // A partial a shard at the most.
  const vectors = Array.from({ length: MAXIMUM_SHARDS }, () => memory.parameters(PARAMETERS));

  interface Sums {
    readonly gradient: readonly number[];
    readonly lossSum: number;
    readonly correct: number;
  }

  /** By the definition of the tree alone, in float32 as JavaScript rounds it. */
  function recursion(leaves: readonly Sums[], { begin, end }: TreeNode): Sums {
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
    leaves: fc.array(leaf, { minLength: 1, maxLength: MAXIMUM_SHARDS }),
    speeds: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
    order: fc.infiniteStream(fc.nat({ max: 2 ** 30 })),
  });

  test('gives the bits of the full recursion, however the shards were dealt and in whatever order partials came', () => {
    fc.assert(
      fc.property(cases, ({ leaves, speeds, order }) => {
        const root = { begin: 0, end: leaves.length };
        const partials: Partial[] = deal(leaves.length, [root], speeds)
          .flat()
          .map((node, i) => {
            const gradient = at(vectors, i);
            const sums = recursion(leaves, node);
            gradient.set(sums.gradient);
            return { node, ...sums, gradient };
          })
          .map((partial) => ({ partial, key: order.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ partial }) => partial);
        const { gradient, ...sums } = addPartials(kernel, partials, root);
        assert.deepEqual({ ...sums, gradient: [...gradient] }, { node: root, ...recursion(leaves, root) });
      }),
      { numRuns: 200 },
    );
  });

  test('refuses partials with a hole', () => {
    const partial = { node: { begin: 0, end: 2 }, gradient: at(vectors, 0), lossSum: 0, correct: 0 };
    assert.throws(() => addPartials(kernel, [partial], { begin: 0, end: 3 }), /No partial has shard 2/);
  });
});
