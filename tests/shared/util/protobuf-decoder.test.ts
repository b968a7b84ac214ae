import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Messages, protobufTypes } from '#src/shared/util/protobuf.js';
import { decodeBounded } from '#src/shared/util/protobuf-decoder.js';

const MESSAGES: Messages = {
  Outer: {
    text: [1, 'string'],
    whole: [2, 'int64'],
    small: [3, 'int32'],
    real: [4, 'float'],
    bytes: [5, 'bytes'],
    inner: [6, 'Inner', 'repeated'],
    wholes: [200, 'int64', 'repeated'],
    reals: [8, 'float', 'repeated'],
    texts: [9, 'string', 'repeated'],
  },
  Inner: { whole: [1, 'int64'] },
};
const Outer = protobufTypes(MESSAGES).lookupType('Outer');
const ENOUGH = 1000;

const float = fc.float({ noNaN: true });
const whole = fc.maxSafeInteger();
const message = fc.record(
  {
    text: fc.string(),
    whole,
    small: fc.integer(),
    real: float,
    bytes: fc.uint8Array({ maxLength: 20 }),
    inner: fc.array(fc.record({ whole }), { minLength: 1, maxLength: 5 }),
    wholes: fc.array(whole, { minLength: 1, maxLength: 10 }),
    reals: fc.array(float, { minLength: 1, maxLength: 10 }),
    texts: fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
  },
  { requiredKeys: [] },
);

/** Views of bytes and typed arrays as plain lists. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array | Float32Array);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}

it('decodes as protobufjs does', () => {
  fc.assert(
    fc.property(message, (value) => {
      const bytes = Outer.encode(Outer.create(value)).finish();
      const expected = Outer.toObject(Outer.decode(bytes), { longs: Number });
      assert.deepEqual(plain(decodeBounded(MESSAGES, 'Outer', bytes, ENOUGH)), plain(expected));
    }),
  );
});

it('steps over fields that it does not know', () => {
  const bytes = Outer.encode(Outer.create({ text: 'a', whole: 5, real: 1.5, reals: [1, 2] })).finish();
  const { text: _text, real: _real, reals: _reals, ...rest } = MESSAGES.Outer ?? {};
  assert.deepEqual(decodeBounded({ ...MESSAGES, Outer: rest }, 'Outer', bytes, ENOUGH), { whole: 5 });
});

it('throws a RangeError, and nothing else, for other bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeBounded(MESSAGES, 'Outer', bytes, ENOUGH);
      } catch (error) {
        assert.ok(error instanceof RangeError, (error as Error).stack);
      }
    }),
    { numRuns: 2000 },
  );
});

it('counts messages, numbers and texts', () => {
  const encoded = (value: object) => Outer.encode(Outer.create(value)).finish();
  const five = { inner: [{}, {}, {}, {}] };
  assert.ok(decodeBounded(MESSAGES, 'Outer', encoded(five), 5));
  for (const value of [five, { wholes: [1, 2, 3, 4] }, { text: 'a'.repeat(4 * 32) }, { texts: ['a', 'b'] }]) {
    assert.throws(() => decodeBounded(MESSAGES, 'Outer', encoded(value), 4), /more than 4 values/);
  }
});
