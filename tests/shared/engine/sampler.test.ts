import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Sampler } from '#src/shared/engine/sampler.js';
import { PURPOSE, philox } from '#src/shared/util/philox.js';

interface Drawn {
  readonly indices: number[];
  readonly shifts: number[];
}

const seed = fc.maxSafeNat();

function fill(sampler: Sampler, t: number, first: number, count: number): Drawn {
  const indices = new Int32Array(count);
  const shifts = new Int8Array(2 * count).fill(99);
  sampler.fill(t, first, count, indices, shifts);
  return { indices: [...indices], shifts: [...shifts] };
}

/** One whole epoch, by steps of its own length. */
function epochOrder(samples: number, ofSeed: number, epoch: number): number[] {
  return fill(new Sampler({ samples, batch: samples, seed: ofSeed, augment: 'none' }), epoch, 0, samples).indices;
}

/** Word `w` of a stream and a bounded draw, as docs/determinism.md has them, in whole numbers of any size. */
function* words(ofSeed: number, index: bigint, purpose: number): Generator<bigint, never> {
  const block = new Uint32Array(4);
  const key = Uint32Array.from([Number(BigInt(ofSeed) & 0xffffffffn), Number(BigInt(ofSeed) >> 32n)]);
  for (let b = 0; ; ++b) {
    philox(Uint32Array.from([b, Number(index & 0xffffffffn), Number(index >> 32n), purpose]), key, block);
    for (const word of block) yield BigInt(word);
  }
}

function below(stream: Generator<bigint, never>, bound: number): number {
  for (;;) {
    const product = stream.next().value * BigInt(bound);
    if ((product & 0xffffffffn) >= 2n ** 32n % BigInt(bound)) return Number(product >> 32n);
  }
}

function reference(samples: number, batch: number, ofSeed: number, t: number, i: number): Drawn {
  const position = BigInt(t) * BigInt(batch) + BigInt(i);
  const stream = words(ofSeed, position / BigInt(samples), PURPOSE.permutation);
  const order = Array.from({ length: samples }, (_, place) => place);
  for (let last = samples - 1; last > 0; --last) {
    const chosen = below(stream, last + 1);
    [order[last], order[chosen]] = [order[chosen] as number, order[last] as number];
  }
  const cell = below(words(ofSeed, position, PURPOSE.augmentation), 25);
  const place = Number(position % BigInt(samples));
  return { indices: [order[place] as number], shifts: [Math.floor(cell / 5) - 2, (cell % 5) - 2] };
}

/** Sum of (observed - expected)^2 / expected over equally likely cells. */
function chiSquared(counts: Iterable<number>, cells: number, draws: number): number {
  const expected = draws / cells;
  let sum = 0;
  let seen = 0;
  for (const count of counts) {
    sum += (count - expected) ** 2 / expected;
    ++seen;
  }
  return sum + (cells - seen) * expected;
}

function tally(values: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

test('seed 1 on 60,000 samples begins as it always did', () => {
  const sampler = new Sampler({ samples: 60000, batch: 128, seed: 1, augment: 'shift' });
  const first = fill(sampler, 0, 0, 8);
  assert.deepEqual(first.indices, [43816, 50773, 45090, 18897, 42713, 44790, 58483, 46571]);
  assert.deepEqual(first.shifts, [0, -2, 0, 0, -2, -2, -2, 0, -2, 0, 0, 1, 0, 0, -2, 0]);
  // The last two of the first epoch, the first two of the second.
  const straddling = fill(sampler, 468, 94, 4);
  assert.deepEqual(straddling.indices, [25162, 11224, 25898, 37553]);
  assert.deepEqual(straddling.shifts, [2, 1, -2, 2, 2, 2, -1, 0]);
});

test('every epoch visits each sample exactly once', () => {
  const cases = fc.record({
    samples: fc.integer({ min: 1, max: 300 }),
    batch: fc.integer({ min: 1, max: 700 }),
    epoch: fc.integer({ min: 0, max: 40 }),
    seed,
  });
  fc.assert(
    fc.property(cases, ({ samples, batch, epoch, seed: s }) => {
      const sampler = new Sampler({ samples, batch, seed: s, augment: 'none' });
      const begin = epoch * samples;
      const end = begin + samples;
      const visited: number[] = [];
      for (let t = Math.floor(begin / batch); t * batch < end; ++t) {
        const inside = (_: number, i: number) => t * batch + i >= begin && t * batch + i < end;
        visited.push(...fill(sampler, t, 0, batch).indices.filter(inside));
      }
      const all = Array.from({ length: samples }, (_, index) => index);
      assert.deepEqual(
        visited.toSorted((a, b) => a - b),
        all,
      );
    }),
    { numRuns: 200 },
  );
});

test('epochs and seeds have orders of their own, in all their 53 bits', () => {
  const orders = new Set<string>();
  const seeds = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1];
  const epochs = [0, 1, 2, 3, 2 ** 32, 2 ** 32 + 1, 2 ** 40];
  for (const s of seeds) for (const epoch of epochs) orders.add(epochOrder(100, s, epoch).join());
  assert.equal(orders.size, seeds.length * epochs.length);
});

test('every order is equally likely', () => {
  const draws = 24000;
  const orders = Array.from({ length: draws }, (_, epoch) => epochOrder(4, 1, epoch).join());
  const counts = tally(orders);
  assert.equal(counts.size, 24);
  // 23 degrees of freedom: 49.7 is passed by chance once in a thousand seeds.
  assert.ok(chiSquared(counts.values(), 24, draws) < 49.7);
});

test('samples and shifts are what the written algorithm gives, at any position below 2^53', () => {
  const cases = fc.record({
    samples: fc.integer({ min: 1, max: 120 }),
    batch: fc.integer({ min: 1, max: 2 ** 21 }),
    t: fc.oneof(fc.nat({ max: 1000 }), fc.integer({ min: 2 ** 31 - 1000, max: 2 ** 31 })),
    part: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    seed,
  });
  fc.assert(
    fc.property(cases, ({ samples, batch, t, part, seed: s }) => {
      const i = Math.floor(part * batch);
      const sampler = new Sampler({ samples, batch, seed: s, augment: 'shift' });
      assert.deepEqual(fill(sampler, t, i, 1), reference(samples, batch, s, t, i));
    }),
    { numRuns: 200 },
  );
});

test('how a batch is cut and what was asked before change nothing', () => {
  const cases = fc.record({
    samples: fc.integer({ min: 1, max: 100 }),
    batch: fc.integer({ min: 1, max: 260 }),
    asked: fc.array(fc.tuple(fc.nat({ max: 50 }), fc.nat(), fc.nat()), { minLength: 1, maxLength: 20 }),
    seed,
  });
  fc.assert(
    fc.property(cases, ({ samples, batch, asked, seed: s }) => {
      const options = { samples, batch, seed: s, augment: 'shift' } as const;
      const used = new Sampler(options);
      for (const [t, a, b] of asked) {
        const first = a % batch;
        const count = b % (batch - first + 1);
        const whole = fill(new Sampler(options), t, 0, batch);
        assert.deepEqual(fill(used, t, first, count), {
          indices: whole.indices.slice(first, first + count),
          shifts: whole.shifts.slice(2 * first, 2 * (first + count)),
        });
      }
    }),
    { numRuns: 100 },
  );
});

test('a batch that straddles epochs ends one and begins the next', () => {
  const two = fill(new Sampler({ samples: 10, batch: 8, seed: 7, augment: 'none' }), 1, 0, 8).indices;
  assert.deepEqual(two, [...epochOrder(10, 7, 0).slice(8), ...epochOrder(10, 7, 1).slice(0, 6)]);
  const four = fill(new Sampler({ samples: 3, batch: 10, seed: 7, augment: 'none' }), 0, 0, 10).indices;
  assert.deepEqual(four, [0, 1, 2, 3].flatMap((epoch) => epochOrder(3, 7, epoch)).slice(0, 10));
});

test('shifts are the 25 of -2..2 by -2..2, equally likely', () => {
  const draws = 25000;
  const { shifts } = fill(new Sampler({ samples: 60000, batch: draws, seed: 1, augment: 'shift' }), 0, 0, draws);
  const counts = tally(Array.from({ length: draws }, (_, i) => `${shifts[2 * i]} ${shifts[2 * i + 1]}`));
  const sides = [-2, -1, 0, 1, 2];
  const cells = sides.flatMap((down) => sides.map((right) => `${down} ${right}`));
  assert.deepEqual([...counts.keys()].sort(), cells.sort());
  // 24 degrees of freedom: 51.2 is passed by chance once in a thousand seeds.
  assert.ok(chiSquared(counts.values(), 25, draws) < 51.2);
});

test('a sample is shifted anew in every epoch', () => {
  const sampler = new Sampler({ samples: 1, batch: 1, seed: 3, augment: 'shift' });
  const shifts = Array.from({ length: 400 }, (_, epoch) => fill(sampler, epoch, 0, 1).shifts.join());
  assert.equal(tally(shifts).size, 25);
});

test('without augmentation the samples are the same and nothing shifts', () => {
  const drawn = (augment: string) => fill(new Sampler({ samples: 500, batch: 64, seed: 5, augment }), 20, 3, 60);
  assert.deepEqual(drawn('none').indices, drawn('shift').indices);
  assert.deepEqual(drawn('none').shifts, new Array(120).fill(0));
});

test('only the asked part of the arrays is written', () => {
  for (const augment of ['none', 'shift'] as const) {
    const indices = new Int32Array(6).fill(-1);
    const shifts = new Int8Array(12).fill(99);
    new Sampler({ samples: 50, batch: 16, seed: 1, augment }).fill(2, 4, 5, indices, shifts);
    assert.ok(indices.subarray(0, 5).every((index) => index >= 0));
    assert.equal(indices[5], -1);
    assert.ok(shifts.subarray(0, 10).every((shift) => Math.abs(shift) <= 2));
    assert.deepEqual([...shifts.subarray(10)], [99, 99]);
  }
});
