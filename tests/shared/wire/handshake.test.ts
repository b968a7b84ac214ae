import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newToken, Token } from '#src/shared/util/token.js';
import type { CloseCode } from '#src/shared/wire/close-codes.js';
import { CoordinatorHandshake, type HandshakeOptions, NodeHandshake } from '#src/shared/wire/handshake.js';
import { PROTOCOL_VERSION } from '#src/shared/wire/handshake-frames.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';

const runId = Buffer.alloc(16, 0xaa);
const token = new Token(newToken());
const plain: HandshakeOptions = { token, exporter: undefined, sealed: true };
const overTls: HandshakeOptions = { token, exporter: Buffer.alloc(32, 0xee), sealed: false };

/** Changes bytes on their way. */
type Change = (frame: Buffer) => Buffer;
const unchanged: Change = (frame) => frame;

interface Meeting {
  readonly coordinator?: HandshakeOptions;
  readonly node?: HandshakeOptions;
  readonly challenge?: Change;
  readonly proof?: Change;
  readonly welcome?: Change;
}

function meet(meeting: Meeting = {}) {
  const { challenge = unchanged, proof = unchanged, welcome = unchanged } = meeting;
  const coordinator = new CoordinatorHandshake({ ...(meeting.coordinator ?? plain), runId });
  const node = new NodeHandshake(meeting.node ?? plain);
  const accepted = coordinator.accept(proof(node.prove(challenge(coordinator.challenge))));
  return { coordinator: accepted.seal, node: node.finish(welcome(accepted.welcome)) };
}

function assertRefused(closeCode: CloseCode | readonly CloseCode[], run: () => unknown, what = ''): ProtocolError {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof ProtocolError, `${what}: ${caught}`);
  assert.ok([closeCode].flat().includes(caught.closeCode), `${what}: ${caught.closeCode}`);
  assert.equal(caught.code, 'ERR_PROTOCOL');
  assert.equal(caught.exitCode, 1);
  return caught;
}

const flipped =
  (bit: number): Change =>
  (frame) => {
    const copy = Buffer.from(frame);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  };

for (const [name, options] of [
  ['plain with a token', plain],
  ['TLS', overTls],
  ['loopback without a token', { token: undefined, exporter: undefined, sealed: false }],
] as const) {
  test(`both sides agree: ${name}`, () => {
    const { coordinator, node } = meet({ coordinator: options, node: options });
    const payload = Buffer.from('payload');
    for (const [from, to] of [
      [coordinator, node],
      [node, coordinator],
    ] as const) {
      const frame = from.seal(payload);
      assert.equal(frame.length, payload.length + (options.sealed ? 40 : 0));
      assert.equal(from.overhead, options.sealed ? 40 : 0);
      assert.deepEqual(to.open(frame), payload);
    }
  });
}

test('nonces are fresh', () => {
  const challenges = [1, 2].map(() => new CoordinatorHandshake({ ...plain, runId }).challenge);
  assert.notDeepEqual(challenges[0], challenges[1]);
  const proofs = [1, 2].map(() => new NodeHandshake(plain).prove(challenges[0] as Buffer));
  assert.notDeepEqual(proofs[0]?.subarray(12, 44), proofs[1]?.subarray(12, 44));
});

test('a proof is worth nothing on another challenge', () => {
  const first = new CoordinatorHandshake({ ...plain, runId });
  const proof = new NodeHandshake(plain).prove(first.challenge);
  assertRefused('unauthorized', () => new CoordinatorHandshake({ ...plain, runId }).accept(proof));
  first.accept(proof);
});

test('what a coordinator says cannot be sent back to it', () => {
  const first = new CoordinatorHandshake({ ...plain, runId });
  const second = new CoordinatorHandshake({ ...plain, runId });
  assertRefused('malformed', () => first.accept(second.challenge));
  const coordinator = new CoordinatorHandshake({ ...plain, runId });
  const own = new NodeHandshake(plain).prove(coordinator.challenge);
  const { welcome } = coordinator.accept(own);
  assertRefused('malformed', () => new CoordinatorHandshake({ ...plain, runId }).accept(welcome));
  // The same nonces on both sides: only the label tells the two MACs apart.
  const nonce = Buffer.alloc(32, 1);
  const proof = new NodeHandshake({ ...plain, nonce }).prove(
    new CoordinatorHandshake({ ...plain, runId, nonce }).challenge,
  );
  const answer = new CoordinatorHandshake({ ...plain, runId, nonce }).accept(proof).welcome;
  const reflected = Buffer.concat([proof.subarray(0, 44), answer.subarray(11)]);
  assertRefused('unauthorized', () => new CoordinatorHandshake({ ...plain, runId, nonce }).accept(reflected));
});

test("a node's own proof is no welcome to it", () => {
  const node = new NodeHandshake(plain);
  const proof = node.prove(new CoordinatorHandshake({ ...plain, runId }).challenge);
  const own = Buffer.concat([proof.subarray(0, 10), Buffer.of(3), proof.subarray(44)]);
  assertRefused('unauthorized', () => node.finish(own));
});

test('a proof made for one run does not open another with the same token', () => {
  const nonce = Buffer.alloc(32, 1);
  const proof = new NodeHandshake(plain).prove(new CoordinatorHandshake({ ...plain, runId, nonce }).challenge);
  const otherRun = new CoordinatorHandshake({ ...plain, runId: Buffer.alloc(16, 0xbb), nonce });
  assertRefused('unauthorized', () => otherRun.accept(proof));
  new CoordinatorHandshake({ ...plain, runId, nonce }).accept(proof);
});

test('another role is refused', () => {
  const asked =
    (role: number): Change =>
    (proof) =>
      Buffer.concat([proof.subarray(0, 11), Buffer.of(role), proof.subarray(12)]);
  for (const role of [0, 2, 255]) assertRefused('role', () => meet({ proof: asked(role) }), `role ${role}`);
  meet({ proof: asked(1) });
});

/** Bits that say what the frame is, in front of what it proves: magic 64, version 16, kind 8. */
function codesAt(bit: number, isProof: boolean): readonly CloseCode[] {
  if (bit < 64) return ['malformed'];
  if (bit < 80) return ['version'];
  if (bit < 88) return ['malformed'];
  return isProof && bit < 96 ? ['role'] : ['unauthorized'];
}

for (const [name, bytes] of [
  ['challenge', 59],
  ['proof', 76],
  ['welcome', 43],
] as const) {
  test(`each flipped bit of the ${name} is found`, () => {
    for (let bit = 0; bit < 8 * bytes; bit++) {
      assertRefused(codesAt(bit, name === 'proof'), () => meet({ [name]: flipped(bit) }), `bit ${bit}`);
    }
    meet({ [name]: flipped(8 * bytes - 1) && unchanged });
  });

  test(`a ${name} of another length is malformed`, () => {
    for (let length = 0; length < bytes; length++) {
      assertRefused(
        'malformed',
        () => meet({ [name]: (frame: Buffer) => frame.subarray(0, length) }),
        `${length} bytes`,
      );
    }
    const longer: Change = (frame) => Buffer.concat([frame, Buffer.alloc(1)]);
    assertRefused('malformed', () => meet({ [name]: longer }));
    const shifted: Change = (frame) => {
      assert.equal(frame.length, bytes);
      return Buffer.concat([Buffer.alloc(1), frame]).subarray(1);
    };
    meet({ [name]: shifted });
  });

  test(`a ${name} of another version names both, whatever else that version changed`, () => {
    for (const version of [0, 1, 2, 0xffff]) {
      const other: Change = (frame) => {
        const copy = Buffer.concat([frame, Buffer.alloc(5)]);
        copy.writeUInt16BE(version, 8);
        copy[10] = 99;
        return copy;
      };
      const { message } = assertRefused('version', () => meet({ [name]: other }));
      assert.match(message, new RegExp(`version ${PROTOCOL_VERSION} .*version ${version}\\b`));
    }
  });
}

test('another token on either side is refused, as is none on one side', () => {
  const other: HandshakeOptions = { ...plain, token: new Token(newToken()) };
  const none: HandshakeOptions = { token: undefined, exporter: undefined, sealed: false };
  for (const [coordinator, node] of [
    [plain, other],
    [other, plain],
    [plain, none],
    [none, plain],
  ] as const) {
    const { message } = assertRefused('unauthorized', () => meet({ coordinator, node }));
    assert.match(message, /token file/);
  }
});

test('a coordinator without the token cannot welcome a node', () => {
  const node = new NodeHandshake(plain);
  const impostor = new CoordinatorHandshake({ ...plain, token: new Token(newToken()), runId });
  node.prove(impostor.challenge);
  const welcome = Buffer.concat([Buffer.from('LOCKSTEP'), Buffer.of(0, PROTOCOL_VERSION, 3), Buffer.alloc(32)]);
  assertRefused('unauthorized', () => node.finish(welcome));
});

test('somebody who ends the TLS connection in the middle is refused', () => {
  const otherKey: HandshakeOptions = { ...overTls, exporter: Buffer.alloc(32, 0xef) };
  assertRefused('unauthorized', () => meet({ coordinator: overTls, node: otherKey }));
  assertRefused('unauthorized', () => meet({ coordinator: overTls, node: { ...plain, sealed: false } }));
  assertRefused('unauthorized', () => meet({ coordinator: { ...plain, sealed: false }, node: overTls }));
});

test('each object is good for one handshake, even one that failed', () => {
  const coordinator = new CoordinatorHandshake({ ...plain, runId });
  const node = new NodeHandshake(plain);
  assertRefused('unexpected', () => node.finish(Buffer.alloc(43)), 'finish before prove');
  const proof = node.prove(coordinator.challenge);
  assertRefused('unexpected', () => node.prove(coordinator.challenge), 'a second prove');
  const { welcome } = coordinator.accept(proof);
  assertRefused('unexpected', () => coordinator.accept(proof), 'a second accept');
  node.finish(welcome);
  assertRefused('unexpected', () => node.finish(welcome), 'a second finish');

  const failed = new CoordinatorHandshake({ ...plain, runId });
  const late = new NodeHandshake(plain).prove(failed.challenge);
  assertRefused('malformed', () => failed.accept(Buffer.alloc(3)));
  assertRefused('unexpected', () => failed.accept(late), 'after a failure');
  const burnt = new NodeHandshake(plain);
  assertRefused('malformed', () => burnt.prove(Buffer.alloc(3)));
  assertRefused('unexpected', () => burnt.prove(failed.challenge), 'after a failure');
});

test('options that cannot hold are refused at once', () => {
  assert.throws(() => new NodeHandshake({ ...plain, token: undefined }), RangeError);
  assert.throws(() => new NodeHandshake({ ...plain, nonce: Buffer.alloc(31) }), RangeError);
  assert.throws(() => new NodeHandshake({ ...overTls, exporter: Buffer.alloc(0) }), RangeError);
  assert.throws(() => new CoordinatorHandshake({ ...plain, runId: Buffer.alloc(15) }), RangeError);
});
