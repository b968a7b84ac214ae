import fc from 'fast-check';
import { encode } from '#src/shared/wire/frames.js';
import type { FromNode } from '#src/shared/wire/messages.js';
import { fromCoordinator, fromNode } from '../shared/wire/frames-of-each-type.ts';
import { type Change, changes, mutated } from '../shared/wire/mutations.ts';
import { requests, requestsOfPages } from './requests.ts';
import { RESET_BEFORE, RESET_POINTS, type ResetPoint } from './reset-points.ts';
import { clientHello, framed, OPCODE } from './wire.ts';

/** Frames that the fuzzer receives from the coordinator, or makes of those. */
export type Source = 'challenge' | 'proof' | 'proof with another token' | 'proof of another connection';

/** What a frame is made of, and the damage that is done to it. */
export interface Shot {
  readonly of: Source | Uint8Array;
  readonly changes: readonly Change[];
  readonly opcode: number;
}

export const SEAL_FAULTS = ['none', 'flipped', 'repeated', 'skipped', 'bare', 'cut'] as const;
export type SealFault = (typeof SEAL_FAULTS)[number];

export const ANSWERS = [
  'the step after',
  'the step before',
  'ranges moved',
  'a range more',
  'a range less',
  'a range twice',
  'a body too short',
  'a body too long',
  'no body',
  'damaged bytes',
  'the other kind of result',
  'failed',
  'failed twice',
  'failed at another order',
  'failed, then a result',
  'nothing',
  'ready again',
  'hello again',
  'leaving, then a result',
] as const;
export type Answer = (typeof ANSWERS)[number];

/** What is sent over one connection. */
export type Volley =
  /** Bytes below the protocol: on the TCP connection, in place of or within TLS if that is spoken, after the upgrade, or after the handshake; or on the port of the live page. */
  | {
      readonly kind: string;
      readonly at: 'TCP' | 'HTTP' | 'page' | 'WebSocket' | 'authenticated WebSocket';
      readonly writes: readonly Uint8Array[];
    }
  | { readonly kind: string; readonly at: 'handshake'; readonly shots: readonly Shot[] }
  /** The TCP connection is reset at a point of its life. */
  | {
      readonly kind: `reset ${ResetPoint}`;
      readonly at: 'reset';
      readonly point: ResetPoint;
      /** Which share of what is being written then was written, 0 to 1. */
      readonly share: number;
      /** Turns of the event loop, in which the other side gets on. */
      readonly turns: number;
    }
  /** Messages after the handshake, and after a valid hello if `as` is 'known'. */
  | {
      readonly kind: string;
      readonly at: 'messages';
      readonly as: 'unknown' | 'known';
      readonly shots: readonly Shot[];
      readonly seal: SealFault;
    }
  | {
      readonly kind: 'a member that answers badly';
      readonly at: 'work';
      /** The node's name, for people. */
      readonly name: string;
      readonly answer: Answer;
      readonly changes: readonly Change[];
    };

const MAX_SHOTS = 16;
const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(buffer);
const none = fc.constant<readonly Change[]>([]);
const binary = fc.constant(OPCODE.binary);
const shots = (shot: fc.Arbitrary<Shot>) => fc.array(shot, { minLength: 1, maxLength: MAX_SHOTS, size: 'max' });
const shot = (of: fc.Arbitrary<Shot['of']>, damage: Shot['changes'] | fc.Arbitrary<Shot['changes']> = []) =>
  fc.record({ of, changes: Array.isArray(damage) ? fc.constant(damage) : (damage as typeof changes), opcode: binary });

const source = fc.constantFrom<Source[]>(
  'challenge',
  'proof',
  'proof with another token',
  'proof of another connection',
);
const messages = fc.oneof(...Object.values(fromNode)).map((message) => encode(message as FromNode));
const foreign = fc.oneof(...Object.values(fromCoordinator)).map((message) => encode(message));

function withPrefix(tag: number, header: Uint8Array, declared = header.length): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(tag);
  prefix.writeUInt32BE(declared, 1);
  return Buffer.concat([prefix, header]);
}

const tag = fc.oneof({ weight: 4, arbitrary: fc.integer({ min: 1, max: 8 }) }, fc.nat(255));
const ofTag = fc.tuple(tag, bytes(200)).map(([type, header]) => withPrefix(type, header));
const tooLong = fc
  .tuple(tag, bytes(40), fc.constantFrom(2 ** 32 - 1, 2 ** 31, 65_537, 4097, 257, 41))
  .map(([type, header, declared]) => withPrefix(type, header, declared));
/** Heads of MessagePack that nest, promise much, or aren't in use; over and over. */
const bombs = fc
  .tuple(
    tag,
    fc.constantFrom(
      '91',
      '81a161',
      '81',
      'c1',
      'dc0001',
      'ddffffffff',
      'dfffffffff',
      'dbffffffff',
      'c6ffffffff',
      'd40000',
      '90',
    ),
    fc.integer({ min: 1, max: 240 }),
    fc.boolean(),
  )
  .map(([type, head, times, inMap]) =>
    withPrefix(type, Buffer.from(`${inMap ? '81a161' : ''}${head.repeat(times)}`, 'hex')),
  );
/** The header of a real message damaged, its prefix made right again. */
const damagedHeaders = fc.tuple(messages, changes).map(([frame, changed]) => {
  const end = 5 + frame.readUInt32BE(1);
  const header = mutated(frame.subarray(5, end), changed);
  return Buffer.concat([withPrefix(frame.readUInt8(), header), frame.subarray(end)]);
});

/** Frames that break RFC 6455, or nearly so: any opcode and flags, lengths that don't come, no mask, fragments. */
const webSocket = fc.oneof(
  bytes(300),
  fc.tuple(fc.nat(15), bytes(200)).map(([opcode, payload]) => framed(payload, opcode)),
  fc.tuple(bytes(200), changes).map(([payload, changed]) => mutated(framed(payload), changed)),
  fc
    .constantFrom(
      '827effff00000000',
      '82ff0000ffffffffffff',
      '82ffffffffffffffffff',
      '8200',
      '0280000000000180000000',
      '0080000000000000',
      'c28000000000',
      '888000000000',
      '8881000000ff00',
      '88820000000003e7',
      '8882000000000fa0',
      '89fe007e00000000',
      '028000000000',
    )
    .map((hex) => Buffer.from(hex, 'hex')),
);
const writes = (arbitrary: fc.Arbitrary<Uint8Array>) =>
  fc.array(arbitrary, { minLength: 1, maxLength: MAX_SHOTS, size: 'max' });

const handshake = (kind: string, arbitrary: fc.Arbitrary<Shot>): fc.Arbitrary<Volley> =>
  fc.record({ kind: fc.constant(kind), at: fc.constant('handshake' as const), shots: shots(arbitrary) });

const CLIENT_HELLO = await clientHello();
const resets = (points: readonly ResetPoint[]): fc.Arbitrary<Volley> =>
  fc.tuple(fc.constantFrom(...points), fc.integer({ min: 0, max: 100 }), fc.nat(12)).map(([point, percent, turns]) => ({
    kind: `reset ${point}` as const,
    at: 'reset',
    point,
    share: percent / 100,
    turns,
  }));

/** Before the peer has proved anything. */
export const beforeAuthentication: fc.Arbitrary<Volley> = fc.oneof(
  fc.record({ kind: fc.constant('bytes on TCP'), at: fc.constant('TCP' as const), writes: writes(bytes(300)) }),
  fc.record({ kind: fc.constant('HTTP'), at: fc.constant('HTTP' as const), writes: fc.tuple(requests) }),
  fc.record({
    kind: fc.constant('requests of the page'),
    at: fc.constant('page' as const),
    writes: fc.tuple(requestsOfPages),
  }),
  fc.record({
    kind: fc.constant('damaged TLS handshakes'),
    at: fc.constant('TCP' as const),
    writes: fc.tuple(changes.map((changed) => mutated(CLIENT_HELLO, changed))),
  }),
  { weight: 4, arbitrary: resets(RESET_BEFORE) },
  fc.record({
    kind: fc.constant('WebSocket frames'),
    at: fc.constant('WebSocket' as const),
    writes: writes(webSocket),
  }),
  handshake(
    'random first frames',
    fc.record({ of: bytes(200), changes: none, opcode: fc.constantFrom(OPCODE.binary, OPCODE.text) }),
  ),
  handshake('long first frames', shot(fc.integer({ min: 300, max: 3000 }).map((length) => Buffer.alloc(length, 7)))),
  { weight: 4, arbitrary: handshake('damaged proofs', shot(fc.constant('proof'), changes)) },
  handshake(
    'cut proofs',
    shot(
      fc.constant('proof'),
      fc.nat(75).map((at) => Array.from({ length: 10 }, (): Change => [1, at, 7])),
    ),
  ),
  handshake(
    'longer proofs',
    shot(
      fc.constant('proof'),
      fc.array(fc.tuple(fc.constant(2), fc.nat(75), fc.nat(255)), { minLength: 1, maxLength: 6 }),
    ),
  ),
  handshake('proofs with another token', shot(fc.constant('proof with another token'))),
  handshake('replayed proofs', shot(fc.constant('proof of another connection'))),
  handshake('handshakes out of order', shot(source)),
  handshake('messages before a proof', shot(fc.oneof(messages, foreign))),
);

const authenticated = (
  kind: string,
  arbitrary: fc.Arbitrary<Shot>,
  seal: fc.Arbitrary<SealFault> = fc.constant('none'),
): fc.Arbitrary<Volley> =>
  fc.record({
    kind: fc.constant(kind),
    at: fc.constant('messages' as const),
    as: fc.constantFrom('unknown' as const, 'known' as const),
    shots: shots(arbitrary),
    seal,
  });

const pong = fc.record({ of: fromNode.pong.map((message) => encode(message)), changes: none, opcode: binary });
const anyDamage = fc.oneof(none, changes);

/** After a handshake with the right token; properly sealed, unless the seal is what is broken. */
export const afterAuthentication: fc.Arbitrary<Volley> = fc.oneof(
  { weight: 3, arbitrary: resets(RESET_POINTS.slice(RESET_BEFORE.length)) },
  authenticated('random payloads', shot(bytes(300))),
  authenticated('random headers', shot(ofTag)),
  { weight: 3, arbitrary: authenticated('damaged messages', shot(messages, changes)) },
  { weight: 3, arbitrary: authenticated('damaged headers', shot(damagedHeaders)) },
  authenticated('MessagePack bombs', shot(bombs)),
  authenticated('lengths that lie', shot(tooLong)),
  { weight: 2, arbitrary: authenticated('messages out of order', shot(messages)) },
  authenticated(
    'pongs, and now and then another message',
    fc.oneof({ weight: 30, arbitrary: pong }, shot(messages, anyDamage)),
  ),
  authenticated('requests for data', shot(fc.nat(2000).map((part) => encode({ type: 'needData', part })))),
  authenticated('messages of a coordinator', shot(foreign)),
  authenticated(
    'texts',
    fc.record({
      of: bytes(100).map((each) => Buffer.from(each.toString('latin1'))),
      changes: none,
      opcode: fc.constant(OPCODE.text),
    }),
  ),
  authenticated(
    'broken seals',
    shot(messages, none),
    fc.constantFrom<SealFault[]>('flipped', 'repeated', 'skipped', 'bare', 'cut'),
  ),
  fc.record({
    kind: fc.constant('WebSocket frames'),
    at: fc.constant('authenticated WebSocket' as const),
    writes: writes(webSocket),
  }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('a member that answers badly' as const),
      at: fc.constant('work' as const),
      name: fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
      answer: fc.constantFrom(...ANSWERS),
      changes,
    }),
  },
);
