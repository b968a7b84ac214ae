import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { CloseCode } from '#src/shared/wire/close-codes.js';
import {
  decodeFromCoordinator,
  decodeFromNode,
  encode,
  maxBytesFromCoordinator,
  maxBytesFromNode,
} from '#src/shared/wire/frames.js';
import {
  BEFORE_WELCOME,
  type CoordinatorMessage,
  type FromCoordinator,
  type FromNode,
  MAX_RANGES,
  type NodeMessage,
} from '#src/shared/wire/messages.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { SAMPLE } from '../../support/bare-hub.ts';
import { fromCoordinator, fromNode, fullPart, limits } from './frames-of-each-type.ts';

const decodeNode = (frame: Uint8Array) => decodeFromNode(frame, limits);
const decodeCoordinator = (frame: Uint8Array) => decodeFromCoordinator(frame, limits);

function assertRefused(closeCode: CloseCode, decode: () => unknown, what = ''): void {
  assert.throws(
    decode,
    (error) => {
      assert.ok(error instanceof ProtocolError, `${what}: ${(error as Error).stack}`);
      assert.equal(error.closeCode, closeCode, what);
      assert.ok(error.message.length < 400, 'a short message');
      return true;
    },
    what,
  );
}

/** A frame laid out by hand. */
function frameOf(tag: number, header: Uint8Array, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(tag);
  prefix.writeUInt32BE(header.length, 1);
  return Buffer.concat([prefix, header, body]);
}

const all: readonly (readonly [
  string,
  fc.Arbitrary<FromNode | FromCoordinator>,
  typeof decodeNode | typeof decodeCoordinator,
])[] = [
  ...Object.entries(fromNode).map(([type, any]) => [type, any, decodeNode] as const),
  ...Object.entries(fromCoordinator).map(([type, any]) => [type, any, decodeCoordinator] as const),
];

for (const [type, any, decode] of all) {
  test(`${type} survives the round trip at any alignment, and only to the side that it is for`, () => {
    const other = decode === decodeNode ? decodeCoordinator : decodeNode;
    fc.assert(
      fc.property(any, fc.nat(7), (message, shift) => {
        const encoded = encode(message);
        const frame = new Uint8Array(shift + encoded.length).subarray(shift);
        frame.set(encoded);
        const { body, ...fields } = decode(frame) as typeof message & { body?: Uint8Array };
        const { body: sent, ...sentFields } = message as typeof message & { body?: Uint8Array };
        assert.deepEqual(fields, sentFields);
        assert.deepEqual(body && [...body], sent && [...sent]);
        if (body) assert.equal(body.buffer, frame.buffer, 'a view');
        assertRefused('malformed', () => other(frame));
      }),
    );
  });

  test(`a ${type} cut short or with a byte more is refused`, () => {
    const [message] = fc.sample(any, { numRuns: 1, seed: 6 }) as [FromNode];
    const frame = encode(message);
    const hasBody = 'body' in message;
    for (let length = 0; length < frame.length; length++) {
      // The last part of the data set has any length from 1 on.
      const isShorterPart =
        type === 'data' && length > frame.length - (message as unknown as { body: Buffer }).body.length;
      if (!isShorterPart) assertRefused('malformed', () => decode(frame.subarray(0, length)), `${length} bytes`);
    }
    const longer = Buffer.concat([frame, Buffer.alloc(1)]);
    if (!hasBody || type === 'weights') assertRefused('tooLarge', () => decode(longer));
    else if (type === 'partials') assertRefused('malformed', () => decode(longer));
  });
}

test('losses that are not finite arrive', () => {
  const losses = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.1, 3, 2 ** 60];
  const ranges = losses.map((lossSum, i) => ({ begin: i, end: i + 1, lossSum, correct: 0 }));
  const decoded = decodeNode(encode({ type: 'partials', step: 1, ...NO_TIME, ranges, body: Buffer.alloc(12 * 6) }));
  assert.ok(decoded.type === 'partials');
  assert.deepEqual(
    decoded.ranges.map(({ lossSum }) => lossSum),
    losses,
  );
});

test('a body may be shared memory, and is copied', () => {
  const body = new Uint8Array(new SharedArrayBuffer(24)).fill(1);
  const frame = encode({ type: 'weights', version: 1, body });
  body.fill(2);
  const decoded = decodeCoordinator(frame);
  assert.ok(decoded.type === 'weights');
  assert.deepEqual(Buffer.from(decoded.body), Buffer.alloc(24, 1));
});

test('every part of the data set but the last is full', () => {
  assert.deepEqual(decodeCoordinator(encode(fullPart)), { ...fullPart, body: Buffer.alloc(1 << 16, 7) });
  const data = (part: number, of: number, bytes: number): FromCoordinator => ({
    type: 'data',
    part,
    of,
    body: new Uint8Array(bytes),
  });
  assertRefused('malformed', () => decodeCoordinator(encode(data(0, 2, (1 << 16) - 1))));
  assertRefused('malformed', () => decodeCoordinator(encode(data(1, 2, 0))));
  assertRefused('malformed', () => decodeCoordinator(encode(data(2, 2, 5))));
  assertRefused('tooLarge', () => decodeCoordinator(encode(data(1, 2, (1 << 16) + 1))));
});

const HASH = 'a'.repeat(64);
const SHORT = 'a'.repeat(16);
const hello: NodeMessage<'hello'> = {
  type: 'hello',
  node: '6a2f41a3-c54c-4ab5-8f0e-2f0f5a3f7d11',
  name: 'n',
  threads: 4,
  numerics: { conv: SHORT },
  selfTest: HASH,
};
const welcome: CoordinatorMessage<'welcome'> = {
  type: 'welcome',
  run: 'r',
  config: { batch: 128 },
  freeze: ['c1'],
  dataset: HASH,
  dataBytes: 1,
  samples: 1,
  testSamples: 1,
  validationSamples: 0,
  sample: SAMPLE,
  chunkSize: 200,
  parameters: 5,
  vectors: 1,
  heartbeatSeconds: 1,
  specBytes: 2,
  body: Buffer.from('{}'),
};
const NO_TIME = { seconds: 0, sampleSeconds: 0, reduceSeconds: 0 };
const pong: NodeMessage<'pong'> = {
  type: 'pong',
  memoryBytes: 1,
  processorSeconds: 1,
  eventLoopLagSeconds: 0,
  workersReady: 1,
  workersLost: 0,
  workerSamples: [8],
  orders: 1,
};
const evaluated = {
  type: 'evaluated',
  id: 0,
  seconds: 1,
  chunks: { begin: 0, end: 1 },
  losses: [1],
  isPredicted: true,
} as const;
const ranges = (count: number) => Array.from({ length: count }, (_, i) => ({ begin: i, end: i + 1 }));
const numerics = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`o${i}`, SHORT]));
const options = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`o${i}`, i]));

/** Each breaks one bound; the round trips show that the same message within it is valid. */
const BAD: readonly (readonly [string, object])[] = [
  ['an unknown field', { ...hello, more: 1 }],
  ['a missing field', { ...hello, threads: undefined }],
  ['a name that is empty', { ...hello, name: '' }],
  ['a long name', { ...hello, name: 'n'.repeat(256) }],
  ['a node that is no uuid', { ...hello, node: 'x'.repeat(36) }],
  ['no threads', { ...hello, threads: 0 }],
  ['too many threads', { ...hello, threads: 1025 }],
  ['a fraction of a thread', { ...hello, threads: 1.5 }],
  ['a digest in capitals', { ...hello, selfTest: 'A'.repeat(64) }],
  ['a digest too short', { ...hello, selfTest: 'a'.repeat(63) }],
  ['numerics as one digest', { ...hello, numerics: HASH }],
  ['a long digest of an operation', { ...hello, numerics: { conv: HASH } }],
  ['an operation of a long name', { ...hello, numerics: { ['a'.repeat(65)]: SHORT } }],
  ['an operation without a name', { ...hello, numerics: { '': SHORT } }],
  ['too many operations', { ...hello, numerics: numerics(513) }],
  ['a field of version 2', { ...hello, pid: 1 }],
  ['a field in a message without any', { type: 'ready', more: 1 }],
  ['a negative number', { ...pong, workersLost: -1 }],
  ['a text for a number', { ...pong, workersLost: '1' }],
  ['a number beyond 32 bits', { ...pong, workersLost: 2 ** 32 }],
  ['a number of 64 bits', { ...pong, workersLost: 2n ** 64n - 1n }],
  ['a field in a ping', { type: 'ping', nonce: 1 }],
  ['a pong of no threads', { ...pong, workerSamples: [] }],
  ['a pong of too many threads', { ...pong, workerSamples: Array.from({ length: 1025 }, () => 0) }],
  ['too many threads that are ready', { ...pong, workersReady: 1025 }],
  ['a fraction of a sample', { ...pong, workerSamples: [0.5] }],
  ['samples below zero', { ...pong, workerSamples: [-1] }],
  ['samples beyond 2^53', { ...pong, workerSamples: [2 ** 53] }],
  ['samples without end', { ...pong, workerSamples: [Number.POSITIVE_INFINITY] }],
  ['orders below zero', { ...pong, orders: -1 }],
  ['memory that is no number', { ...pong, memoryBytes: Number.NaN }],
  ['processor time below zero', { ...pong, processorSeconds: -1e-9 }],
  ['a lag below zero', { ...pong, eventLoopLagSeconds: -1e-9 }],
  ['an unknown order', { type: 'failed', kind: 'x', id: 1, message: '' }],
  ['a long message', { type: 'failed', kind: 'step', id: 1, message: 'm'.repeat(1001) }],
  ['no losses', { ...evaluated, losses: [], body: Buffer.alloc(8) }],
  ['a loss too many', { ...evaluated, losses: [1, 1], body: Buffer.alloc(8) }],
  ['a loss that is no number', { ...evaluated, losses: ['1'], body: Buffer.alloc(8) }],
  ['half a prediction too few', { ...evaluated, body: Buffer.alloc(7) }],
  ['a prediction too many', { ...evaluated, body: Buffer.alloc(10) }],
  ['chunks beyond the test set', { ...evaluated, chunks: { begin: 7, end: 8 }, body: Buffer.alloc(0) }],
  ['chunks that run backwards', { ...evaluated, chunks: { begin: 1, end: 0 }, body: Buffer.alloc(0) }],
  ['partials of no range', { type: 'partials', step: 1, ...NO_TIME, ranges: [], body: Buffer.alloc(0) }],
  [
    'a gradient too few',
    {
      type: 'partials',
      step: 1,
      ...NO_TIME,
      ranges: [{ begin: 0, end: 1, lossSum: 1, correct: 1 }],
      body: Buffer.alloc(8),
    },
  ],
  [
    'an empty range',
    {
      type: 'partials',
      step: 1,
      ...NO_TIME,
      ranges: [{ begin: 1, end: 1, lossSum: 1, correct: 1 }],
      body: Buffer.alloc(12),
    },
  ],
  [
    'negative seconds',
    {
      type: 'partials',
      step: 1,
      ...NO_TIME,
      seconds: -1,
      ranges: [{ begin: 0, end: 1, lossSum: 1, correct: 1 }],
      body: Buffer.alloc(12),
    },
  ],
  ['no spec', { ...welcome, specBytes: 0, body: Buffer.alloc(0) }],
  ['a spec cut short', { ...welcome, body: Buffer.from('{') }],
  ['predictions that it does without', { ...evaluated, isPredicted: false, body: Buffer.alloc(8) }],
  ['predictions that it lacks', { ...evaluated, body: Buffer.alloc(0) }],
  ['a frozen layer without a name', { ...welcome, freeze: [''] }],
  ['a frozen layer of a long name', { ...welcome, freeze: ['a'.repeat(65)] }],
  ['too many frozen layers', { ...welcome, freeze: new Array(1001).fill('a') }],
  ['a config that nests', { ...welcome, config: { a: { b: 1 } } }],
  ['a config with a list', { ...welcome, config: { a: [1] } }],
  ['an infinite option', { ...welcome, config: { a: Number.POSITIVE_INFINITY } }],
  ['a long option', { ...welcome, config: { a: 'a'.repeat(1001) } }],
  ['an option of a long name', { ...welcome, config: { ['a'.repeat(65)]: 1 } }],
  ['too many options', { ...welcome, config: options(65) }],
  ['a model without parameters', { ...welcome, parameters: 0 }],
  ['a model beyond all bounds', { ...welcome, parameters: 2 ** 25 + 1 }],
  ['no heartbeat', { ...welcome, heartbeatSeconds: 0 }],
  ['a heartbeat that is too slow', { ...welcome, heartbeatSeconds: 61 }],
  ['work without ranges', { type: 'work', step: 1, version: 1, ranges: [] }],
  ['work of too many ranges', { type: 'work', step: 1, version: 1, ranges: ranges(MAX_RANGES + 1) }],
  ['too many chunks', { type: 'evaluate', id: 1, version: 1, chunks: { begin: 0, end: 4097 } }],
  ['an unknown end', { type: 'end', reason: 'x' }],
];

for (const [what, bad] of BAD) {
  test(`a message with ${what} is malformed`, () => {
    const message = Object.fromEntries(Object.entries(bad).filter(([, value]) => value !== undefined));
    const decode = Object.hasOwn(fromNode, message.type) ? decodeNode : decodeCoordinator;
    assertRefused('malformed', () => decode(encode(message as never)));
  });
}

test('the messages that the bad ones were made of are valid', () => {
  assert.deepEqual(decodeNode(encode(hello)), hello);
  assert.deepEqual(decodeNode(encode({ ...hello, numerics: numerics(512) })), { ...hello, numerics: numerics(512) });
  const freeze = new Array<string>(1000).fill('a'.repeat(64));
  assert.deepEqual(decodeCoordinator(encode({ ...welcome, freeze })), { ...welcome, freeze });
  assert.deepEqual(decodeCoordinator(encode({ ...welcome, config: options(64) })), { ...welcome, config: options(64) });
  assert.equal(decodeNode(encode({ ...evaluated, body: Buffer.alloc(8) })).type, 'evaluated');
  assert.equal(decodeNode(encode({ ...evaluated, isPredicted: false, body: Buffer.alloc(0) })).type, 'evaluated');
  decodeCoordinator(encode({ type: 'work', step: 1, version: 1, ranges: ranges(MAX_RANGES) }));
  const workerSamples = Array.from({ length: 1024 }, () => Number.MAX_SAFE_INTEGER);
  assert.deepEqual(decodeNode(encode({ ...pong, workerSamples })), { ...pong, workerSamples });
  const partials = {
    type: 'partials',
    step: 1,
    ...NO_TIME,
    ranges: [{ begin: 0, end: 1, lossSum: 1, correct: 1 }],
  } as const;
  assert.equal(decodeNode(encode({ ...partials, body: Buffer.alloc(12) })).type, 'partials');
});

test("a frame larger than its type may be is refused by its lengths alone, and isn't encoded", () => {
  // What follows the lengths is never looked at: it would be malformed.
  const junk = (length: number) => Buffer.alloc(length, 0xc1);
  for (const [tag, headerBytes] of [
    [1, 65_536],
    [2, 256],
    [4, 4096],
    [5, 65_536],
    [6, 8192],
    [8, 16_384],
    [9, 1 << 18],
  ] as const) {
    assertRefused('tooLarge', () => decodeNode(frameOf(tag, junk(headerBytes + 1))), `${tag}`);
    assertRefused('malformed', () => decodeNode(frameOf(tag, junk(headerBytes))), `${tag}`);
  }
  const claims = Buffer.of(2, 0xff, 0xff, 0xff, 0xff);
  assertRefused('tooLarge', () => decodeNode(claims));
  assertRefused('tooLarge', () => decodeNode(frameOf(4, junk(1), junk(12 * MAX_RANGES + 1))));
  assertRefused('malformed', () => decodeNode(frameOf(4, junk(1), junk(12 * MAX_RANGES))));
  assertRefused('tooLarge', () => decodeNode(frameOf(5, junk(1), junk(63))));
  assertRefused('tooLarge', () => decodeNode(frameOf(1, junk(1), junk(1))));
  assertRefused('tooLarge', () => decodeCoordinator(frameOf(67, junk(1), junk(25))));
  assertRefused('tooLarge', () => decodeFromCoordinator(frameOf(67, junk(1), junk(1)), BEFORE_WELCOME));
  assert.throws(() => encode({ type: 'failed', kind: 'step', id: 1, message: 'm'.repeat(9000) }), RangeError);
});

test('a header that ends after the frame is malformed, though what is there is a whole map', () => {
  assert.deepEqual(decodeNode(Buffer.from('030000000180', 'hex')), { type: 'ready' });
  assertRefused('malformed', () => decodeNode(Buffer.from('030000000280', 'hex')));
});

test('an error quotes little of what the peer sent, and nothing that a terminal would obey', () => {
  const header = { ...hello, [`\u001b[31m${'x'.repeat(3000)}`]: 1 };
  assert.throws(
    () => decodeNode(encode(header)),
    ({ message }: Error) => message.length < 400 && message.includes('xxx') && !message.includes('\u001b'),
  );
});

test("the longest frames are the WebSocket's limit", () => {
  assert.equal(
    maxBytesFromNode({ parameters: 61_706, vectors: 1, testSamples: 10_000, validationSamples: 0, chunkSize: 200 }),
    5 + 4096 + 4 * 32 * 61_706,
  );
  assert.equal(maxBytesFromNode(limits), 5 + (1 << 18) + 4 * 2 * 2 * 3);
  assert.equal(maxBytesFromCoordinator(limits), 5 + (1 << 17) + (1 << 20));
});
