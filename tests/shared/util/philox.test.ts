import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PhiloxStream, PURPOSE, philox } from '#src/shared/util/philox.js';

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const seed = fc.maxSafeNat();

function block(counter: readonly number[], key: readonly number[]): number[] {
  const words = new Uint32Array(4);
  philox(Uint32Array.from(counter), Uint32Array.from(key), words);
  return [...words];
}

/** The paper's definition in whole numbers of any size. */
function reference(counter: readonly number[], key: readonly number[]): number[] {
  const mask = 0xffffffffn;
  let c = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; ++round) {
    const p0 = 0xd2511f53n * c[0];
    const p1 = 0xcd9e8d57n * c[2];
    c = [(p1 >> 32n) ^ c[1] ^ k0, p1 & mask, (p0 >> 32n) ^ c[3] ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return c.map(Number);
}

test('philox gives the known answers of Random123', () => {
  const all = 0xffffffff;
  assert.deepEqual(block([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  assert.deepEqual(block([all, all, all, all], [all, all]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
  assert.deepEqual(
    block([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  );
});

test('philox equals its definition everywhere', () => {
  const counters = fc.tuple(word, word, word, word);
  fc.assert(
    fc.property(counters, fc.tuple(word, word), (c, k) => assert.deepEqual(block(c, k), reference(c, k))),
    { numRuns: 300 },
  );
});

test('a stream reads its blocks in order, by seed, index and purpose', () => {
  const purposes = fc.constantFrom(...Object.values(PURPOSE));
  fc.assert(
    fc.property(seed, purposes, seed, (s, purpose, index) => {
      const stream = new PhiloxStream(s, purpose);
      stream.seek(index);
      const words = Array.from({ length: 10 }, () => stream.next());
      const split = (x: number) => [x % 2 ** 32, Math.floor(x / 2 ** 32)];
      const expected = [0, 1, 2].flatMap((b) => reference([b, ...split(index), purpose], split(s)));
      assert.deepEqual(words, expected.slice(0, 10));
      stream.seek(index);
      assert.equal(stream.next(), words[0]);
    }),
    { numRuns: 100 },
  );
});

test('purposes have counter words of their own', () => {
  const values = Object.values(PURPOSE);
  assert.equal(new Set(values).size, values.length);
});

test('a bounded draw is the upper half of word times bound, without the words that would favour some values', () => {
  const bounds = fc.oneof(word, fc.integer({ min: 1, max: 60000 }), fc.constantFrom(3 * 2 ** 30, 2 ** 31 + 1, 2 ** 31));
  fc.assert(
    fc.property(seed, bounds, (s, any) => {
      const bound = Math.max(1, any);
      const drawn = new PhiloxStream(s, PURPOSE.permutation);
      const words = new PhiloxStream(s, PURPOSE.permutation);
      for (let i = 0; i < 20; ++i) {
        let product: bigint;
        do product = BigInt(words.next()) * BigInt(bound);
        while ((product & 0xffffffffn) < 2n ** 32n % BigInt(bound));
        assert.equal(drawn.below(bound), Number(product >> 32n));
      }
      assert.equal(drawn.next(), words.next(), 'both used as many words');
    }),
    { numRuns: 200 },
  );
});

test('bound 3 · 2^30 keeps three words of four', () => {
  const drawn = new PhiloxStream(1, PURPOSE.permutation);
  for (let i = 0; i < 3000; ++i) drawn.below(3 * 2 ** 30);
  const following = drawn.next();
  const words = new PhiloxStream(1, PURPOSE.permutation);
  let used = 0;
  while (words.next() !== following) ++used;
  assert.ok(used > 3800 && used < 4200, `${used} words for 3000 draws`);
});
