import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { decodeFromCoordinator, decodeFromNode, encode } from '#src/shared/wire/frames.js';
import { headerProblem } from '#src/shared/wire/header-scan.js';
import type { FromCoordinator, FromNode } from '#src/shared/wire/messages.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { fromCoordinator, fromNode, limits } from './frames-of-each-type.ts';
import { changes, mutated } from './mutations.ts';

const FRAMES = 20_000;
type Decode = typeof decodeFromNode | typeof decodeFromCoordinator;

const sides: readonly (readonly [string, Decode, fc.Arbitrary<FromNode | FromCoordinator>])[] = [
  ['a node', decodeFromNode, fc.oneof(...Object.values(fromNode))],
  ['a coordinator', decodeFromCoordinator, fc.oneof(...Object.values(fromCoordinator))],
];

/** Decodes hostile bytes: a message that can be encoded again, or a ProtocolError. @returns whether it was a message */
function decoded(decode: Decode, frame: Uint8Array): boolean {
  try {
    const message = decode(frame, limits);
    assert.deepEqual(decode(encode(message), limits), message);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw new Error(`The frame ${Buffer.from(frame).toString('hex').slice(0, 2000)} broke the decoder.`, {
      cause: error,
    });
  }
}

for (const [name, decode, messages] of sides) {
  test(`${FRAMES} damaged frames of ${name} give a message or a ProtocolError`, () => {
    let sound = 0;
    fc.assert(
      fc.property(messages, changes, (message, changed) => {
        if (decoded(decode, mutated(encode(message), changed))) sound++;
      }),
      { numRuns: FRAMES / 2, seed: 6 },
    );
    // The prefix made right again, so that the header is always reached.
    fc.assert(
      fc.property(messages, changes, (message, changed) => {
        const frame = encode(message);
        const header = mutated(frame.subarray(5, 5 + frame.readUInt32BE(1)), changed);
        const prefix = Buffer.from(frame.subarray(0, 5));
        prefix.writeUInt32BE(header.length, 1);
        if (decoded(decode, Buffer.concat([prefix, header, frame.subarray(5 + frame.readUInt32BE(1))]))) sound++;
      }),
      { numRuns: FRAMES / 2, seed: 7 },
    );
    // Damage to numbers and texts goes unnoticed, else the frames would not have been much like real ones.
    assert.ok(sound > FRAMES / 100 && sound < FRAMES / 2, `${sound} were sound`);
  });

  test(`random bytes for ${name} give a message or a ProtocolError`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decoded(decode, bytes);
      }),
      { numRuns: 5000, seed: 6 },
    );
    fc.assert(
      fc.property(fc.constantFrom(1, 4, 5, 6, 65, 66, 68), fc.uint8Array({ maxLength: 200 }), (tag, bytes) => {
        decoded(decode, Buffer.concat([Buffer.of(tag, 0, 0, 0, bytes.length), bytes]));
      }),
      { numRuns: 5000, seed: 6 },
    );
  });
}

const packed = (text: unknown) => new Packr({ useRecords: false, variableMapSize: true }).pack(text);
const hex = (digits: string) => Buffer.from(digits.replaceAll(' ', ''), 'hex');

test('the scan lets through what has one complete map of bounded depth, in any form of its lengths', () => {
  const sound: readonly Buffer[] = [
    hex('80'),
    hex('de 0000'),
    hex('df 00000001 db 00000001 61 dd 00000002 c0 c3'),
    hex('81 d9 01 61 dc 0001 ca 00000000'),
    hex('81 da 0001 61 cb 0000000000000000'),
    hex('81 a1 61 cf 0000000000000000'),
    packed({
      a: [{ b: [{ c: 1 }] }].map(({ b }) => ({ b: b.length })),
      c: -1,
      d: -200,
      e: 70_000,
      f: 1.5,
      g: 'é',
      h: null,
    }),
  ];
  for (const header of sound) assert.equal(headerProblem(header), undefined, header.toString('hex'));
});

const PROBLEMS: readonly (readonly [string, Buffer, RegExp])[] = [
  ['nothing', hex(''), /ends early/],
  ['a list', hex('90'), /a map or a text key/],
  ['a number', hex('01'), /a map or a text key/],
  ['a number as key', hex('81 01 01'), /a map or a text key/],
  ['a map as key', hex('81 80 01'), /a map or a text key/],
  ['bytes behind it', hex('80 80'), /bytes follow/],
  ['a key without a value', hex('81 a1 61'), /claims more|ends early/],
  ['a text beyond the end', hex('81 a1 61 db ffffffff'), /ends early/],
  ['a length cut short', hex('81 a1 61 db ff'), /ends early/],
  ['a float cut short', hex('81 a1 61 cb 00'), /ends early/],
  ['text that is not UTF-8', hex('81 a1 61 a1 ff'), /ends early or has a type/],
  ['the head that never is', hex('81 a1 61 c1'), /a type that is not in use/],
  ['binary', hex('81 a1 61 c4 01 00'), /a type that is not in use/],
  ['an extension', hex('81 a1 61 d4 00 00'), /a type that is not in use/],
  ['a record definition', hex('d4 72 40 91 a1 61 01'), /a type that is not in use/],
  ['a Set', hex('81 a1 61 d4 73 00 90'), /a type that is not in use/],
  ['a map of 2^32 - 1', hex('df ffffffff 00'), /claims more items/],
  ['a list of 2^32 - 1', hex('81 a1 61 dd ffffffff 00'), /claims more items/],
  ['a list of one item more than bytes', hex('81 a1 61 93 00 00'), /claims more items/],
  ['too many items', Buffer.concat([hex('81 a1 61 dc 2000'), Buffer.alloc(0x2000)]), /more than 8192 items/],
  ['a deep list', Buffer.concat([hex('81 a1 61'), Buffer.alloc(4000, 0x91), hex('00')]), /nested deeper than 4/],
  [
    'a deep map',
    Buffer.concat([...Array.from({ length: 2000 }, () => hex('81 a1 61')), hex('00')]),
    /nested deeper than 4/,
  ],
  ['one level too many', hex('81 a1 61 91 91 91 91 00'), /nested deeper than 4/],
];

for (const [what, header, problem] of PROBLEMS) {
  test(`a header with ${what} never reaches the decoder`, () => {
    assert.match(headerProblem(header) ?? 'no problem', problem);
  });
}

/** Heap and buffers that a call takes, as far as no collection runs: the least of several calls that saw none. */
function bytesTaken(run: () => void): number {
  const tries = Array.from({ length: 9 }, () => {
    const before = process.memoryUsage();
    run();
    const after = process.memoryUsage();
    return after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers;
  });
  return Math.min(...tries.filter((bytes) => bytes >= 0));
}

test('decoding takes little memory, whatever a header holds', () => {
  const header = (...parts: readonly Buffer[]) => Buffer.concat(parts);
  const framed = (tag: number, bytes: Buffer) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(tag);
    prefix.writeUInt32BE(bytes.length, 1);
    return Buffer.concat([prefix, bytes]);
  };
  const fill = (head: string, items: number, item: string) => header(hex(head), hex(item.repeat(items)));
  const bombs = [
    framed(5, fill('81 a1 61 dc fe00', 0xfe00, '90')),
    framed(5, fill('81 a1 61 dc fe00', 0xfe00, '80')),
    framed(5, fill('81 a1 61 dc fe00', 0xfe00, '00')),
    framed(5, fill('de 7d00', 0x7d00, 'a000')),
    framed(5, fill('81 a1 61 dc 1ff0', 0x1ff0, '80')),
    framed(5, fill('81 a1 61 dc 1ff0', 0x1ff0, 'a161')),
    framed(5, fill('de 0ff0', 0x0ff0, 'a000')),
    framed(5, fill('de 3e00', 0x3e00, 'a16100c0')),
    framed(5, header(hex('81 a1 61 da fe00'), Buffer.alloc(0xfe00, 0x61))),
    framed(5, hex('81 a1 61 dd ffffffff')),
    framed(2, hex('df ffffffff')),
  ];
  for (const bomb of bombs) {
    const taken = bytesTaken(() => assert.throws(() => decodeFromNode(bomb, limits), ProtocolError));
    assert.ok(taken < 6 << 20, `${taken} bytes for ${bomb.length}`);
  }
});

test('a large body is not copied', () => {
  const parameters = 1 << 20;
  const frame = encode({ type: 'weights', version: 1, body: new Uint8Array(4 * parameters) });
  const taken = bytesTaken(() => decodeFromCoordinator(frame, { ...limits, parameters, vectors: 1 }));
  assert.ok(taken < 1 << 18, `${taken} bytes`);
});
