import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Token } from '#src/shared/util/token.js';
import { bytesOf, floatsOf } from '#src/shared/wire/floats.js';
import { decodeFromCoordinator, decodeFromNode, encode } from '#src/shared/wire/frames.js';
import { CoordinatorHandshake, NodeHandshake } from '#src/shared/wire/handshake.js';
import { frameKeys } from '#src/shared/wire/seal.js';

const specification = await readFile(new URL('../../../../docs/protocol.md', import.meta.url), 'utf8');

/** The named vector in the specification's list: `- name: hex`. */
function vector(name: string): string {
  const [, digits] = new RegExp(`^- ${name}: \`([0-9a-f ]+)\`$`, 'm').exec(specification) ?? [];
  assert.ok(digits, `docs/protocol.md has no vector ${name}`);
  return digits.replaceAll(' ', '');
}

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const sequence = (first: number, length: number) => Buffer.from(Array.from({ length }, (_, i) => first + i));

const token = new Token('lockstep-test-vectors-only');
const runId = sequence(0x00, 16);
const coordinatorNonce = sequence(0x20, 32);
const nodeNonce = sequence(0x40, 32);
const exporter = sequence(0x60, 32);

function handshake(options: { readonly exporter: Buffer | undefined; readonly sealed: boolean }) {
  const coordinator = new CoordinatorHandshake({ ...options, token, runId, nonce: coordinatorNonce });
  const node = new NodeHandshake({ ...options, token, nonce: nodeNonce });
  const proof = node.prove(coordinator.challenge);
  const { welcome, seal } = coordinator.accept(proof);
  return { challenge: coordinator.challenge, proof, welcome, coordinator: seal, node: node.finish(welcome) };
}

test("the handshake's bytes are those of the specification", () => {
  const plain = handshake({ exporter: undefined, sealed: true });
  assert.equal(hexOf(plain.challenge), vector('challenge'));
  assert.equal(hexOf(plain.proof), vector('proof'));
  assert.equal(hexOf(plain.welcome), vector('welcome'));
  const tls = handshake({ exporter, sealed: false });
  assert.equal(hexOf(tls.challenge), vector('challenge'));
  assert.equal(hexOf(tls.proof), vector('proof over TLS'));
  assert.equal(hexOf(tls.welcome), vector('welcome over TLS'));
});

const pong = {
  ...({ type: 'pong', nonce: 7, memoryBytes: 50_000_000, eventLoopLagSeconds: 0.5 } as const),
  ...{ workersReady: 2, workersLost: 1, workerSamples: [128, 2 ** 33] },
};

test('the keys and sealed frames are those of the specification', () => {
  const keys = frameKeys({ token, coordinatorNonce, nodeNonce });
  assert.equal(hexOf(keys.toNode), vector('key to node'));
  assert.equal(hexOf(keys.toCoordinator), vector('key to coordinator'));
  const { coordinator, node } = handshake({ exporter: undefined, sealed: true });
  const ping = encode({ type: 'ping', nonce: 7 });
  assert.equal(hexOf(ping), vector('ping'));
  assert.equal(hexOf(coordinator.seal(ping)), vector('first sealed frame to node'));
  assert.equal(hexOf(coordinator.seal(ping)), vector('second sealed frame to node'));
  assert.equal(hexOf(node.seal(encode(pong))), vector('first sealed frame to coordinator'));
});

const limits = { parameters: 2, testSamples: 3, chunkSize: 2 };

test('the frames of messages are those of the specification', () => {
  const body = bytesOf(Float32Array.of(1, -2));
  const partials = {
    ...({ type: 'partials', step: 300, seconds: 0.5, sampleSeconds: 0.0625, reduceSeconds: 0.125 } as const),
    ...{ ranges: [{ begin: 0, end: 4, lossSum: 2.25, correct: 31 }], body },
  };
  assert.equal(hexOf(encode(partials)), vector('partials'));
  assert.deepEqual(decodeFromNode(Buffer.from(vector('partials'), 'hex'), limits), partials);
  const work = { type: 'work', step: 300, version: 300, ranges: [{ begin: 0, end: 4 }] } as const;
  assert.equal(hexOf(encode(work)), vector('work'));
  assert.deepEqual(decodeFromCoordinator(Buffer.from(vector('work'), 'hex'), limits), work);
  assert.equal(hexOf(encode({ type: 'weights', version: 300, body })), vector('weights'));
  assert.equal(hexOf(encode({ type: 'ready' })), vector('ready'));
});

test('other encoders may write longer forms of lengths and numbers', () => {
  // map 16, str 8 key, uint 64; then a float64 for a whole number.
  for (const header of ['de0001d9056e6f6e6365cf0000000000000007', '81a56e6f6e6365cb401c000000000000']) {
    const bytes = Buffer.from(header, 'hex');
    const frame = Buffer.concat([Buffer.of(71, 0, 0, 0, bytes.length), bytes]);
    assert.deepEqual(decodeFromCoordinator(frame, limits), { type: 'ping', nonce: 7 });
  }
});

test('floats are little-endian on every machine, at any alignment', () => {
  const values = Float32Array.of(1, -2, 0.1, Number.POSITIVE_INFINITY);
  const digits = '0000803f000000c0cdcccc3d0000807f';
  assert.equal(hexOf(bytesOf(values.subarray(0, 1), values.subarray(1))), digits);
  for (let shift = 0; shift < 4; shift++) {
    const body = Buffer.concat([Buffer.alloc(shift), Buffer.from(digits, 'hex')]).subarray(shift);
    const target = new Float32Array(new SharedArrayBuffer(16));
    floatsOf(body, 1, target.subarray(1, 3));
    assert.deepEqual([...target], [0, -2, Math.fround(0.1), 0]);
  }
});

test('floats beyond a body are an error', () => {
  const body = Buffer.alloc(11);
  floatsOf(body, 1, new Float32Array(1));
  assert.throws(() => floatsOf(body, 0, new Float32Array(3)), RangeError);
  assert.throws(() => floatsOf(body, 2, new Float32Array(1)), RangeError);
  assert.throws(() => floatsOf(body, -1, new Float32Array(1)), RangeError);
});
