// vectors.json, from which authors of other nodes check theirs: docs/protocol.md explains its inputs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Token } from '#src/shared/util/token.js';
import { bytesOf, floatsOf } from '#src/shared/wire/floats.js';
import { decodeFromCoordinator, decodeFromNode, encode } from '#src/shared/wire/frames.js';
import { CoordinatorHandshake, NodeHandshake } from '#src/shared/wire/handshake.js';
import { PROTOCOL_VERSION } from '#src/shared/wire/handshake-frames.js';
import type { FromCoordinator, FromNode } from '#src/shared/wire/messages.js';
import { frameKeys } from '#src/shared/wire/seal.js';

type Hex = string;

interface Vectors {
  readonly version: number;
  readonly inputs: {
    readonly token: string;
    readonly runId: Hex;
    readonly coordinatorNonce: Hex;
    readonly nodeNonce: Hex;
    readonly exporterKey: Hex;
  };
  readonly handshakes: Readonly<Record<'withoutTls' | 'overTls', Record<'challenge' | 'proof' | 'welcome', Hex>>>;
  readonly frameKeys: { readonly toNode: Hex; readonly toCoordinator: Hex };
  readonly limits: {
    readonly parameters: number;
    readonly vectors: number;
    readonly testSamples: number;
    readonly validationSamples: number;
    readonly chunkSize: number;
  };
  readonly messages: readonly {
    readonly from: 'node' | 'coordinator';
    readonly type: string;
    readonly fields: object;
    readonly floats?: readonly number[];
    readonly bytes?: readonly number[];
    readonly frame: Hex;
  }[];
  readonly longerForms: readonly { readonly frame: Hex; readonly sameAs: string }[];
  /** In order, from the first frame of each direction on. */
  readonly sealed: readonly { readonly to: 'node' | 'coordinator'; readonly payload: Hex; readonly frame: Hex }[];
}

const file = new URL('../../../../tests/shared/wire/vectors.json', import.meta.url);
const vectors: Vectors = JSON.parse(await readFile(file, 'utf8'));
const { inputs, limits } = vectors;

const hexOf = (bytes: Uint8Array): Hex => Buffer.from(bytes).toString('hex');
const bytesOfHex = (hex: Hex): Buffer => Buffer.from(hex, 'hex');

const token = new Token(inputs.token);
const coordinatorNonce = bytesOfHex(inputs.coordinatorNonce);
const nodeNonce = bytesOfHex(inputs.nodeNonce);

function handshake(options: { readonly exporter: Buffer | undefined; readonly sealed: boolean }) {
  const runId = bytesOfHex(inputs.runId);
  const coordinator = new CoordinatorHandshake({ ...options, token, runId, nonce: coordinatorNonce });
  const node = new NodeHandshake({ ...options, token, nonce: nodeNonce });
  const proof = node.prove(coordinator.challenge);
  const { welcome, seal } = coordinator.accept(proof);
  const frames = { challenge: hexOf(coordinator.challenge), proof: hexOf(proof), welcome: hexOf(welcome) };
  return { frames, coordinator: seal, node: node.finish(welcome) };
}

test('the vectors are those of this version', () => {
  assert.equal(vectors.version, PROTOCOL_VERSION);
});

test('the frames of the handshake are those of the vectors', () => {
  const { withoutTls, overTls } = vectors.handshakes;
  assert.deepEqual(handshake({ exporter: undefined, sealed: true }).frames, withoutTls);
  assert.deepEqual(handshake({ exporter: bytesOfHex(inputs.exporterKey), sealed: false }).frames, overTls);
});

test('the keys and sealed frames are those of the vectors', () => {
  const keys = frameKeys({ token, coordinatorNonce, nodeNonce });
  assert.deepEqual({ toNode: hexOf(keys.toNode), toCoordinator: hexOf(keys.toCoordinator) }, vectors.frameKeys);
  const { coordinator, node } = handshake({ exporter: undefined, sealed: true });
  assert.deepEqual(new Set(vectors.sealed.map(({ to }) => to)), new Set(['node', 'coordinator']));
  for (const { to, payload, frame } of vectors.sealed) {
    const [sender, receiver] = to === 'node' ? [coordinator, node] : [node, coordinator];
    assert.equal(hexOf(sender.seal(bytesOfHex(payload))), frame);
    assert.equal(hexOf(receiver.open(bytesOfHex(frame))), payload);
  }
});

for (const { from, type, fields, floats, bytes, frame } of vectors.messages) {
  test(`the frame of ${type} is that of the vectors`, () => {
    const content = floats === undefined ? bytes && Buffer.from(bytes) : bytesOf(Float32Array.from(floats));
    const message = { type, ...fields, ...(content === undefined ? {} : { body: content }) };
    assert.equal(hexOf(encode(message as FromNode | FromCoordinator)), frame);
    const decode = from === 'node' ? decodeFromNode : decodeFromCoordinator;
    assert.deepEqual(decode(bytesOfHex(frame), limits), message);
  });
}

test('other encoders may write longer forms of lengths and numbers', () => {
  assert.ok(vectors.longerForms.length > 0);
  for (const { frame, sameAs } of vectors.longerForms) {
    const message = vectors.messages.find(({ type }) => type === sameAs);
    assert.ok(message !== undefined && frame !== message.frame);
    const decode = message.from === 'node' ? decodeFromNode : decodeFromCoordinator;
    assert.deepEqual(decode(bytesOfHex(frame), limits), decode(bytesOfHex(message.frame), limits));
  }
});

test('floats are little-endian on every machine, at any alignment', () => {
  const values = Float32Array.of(1, -2, 0.1, Number.POSITIVE_INFINITY);
  const digits = '0000803f000000c0cdcccc3d0000807f';
  assert.equal(hexOf(bytesOf(values.subarray(0, 1), values.subarray(1))), digits);
  for (let shift = 0; shift < 4; shift++) {
    const body = Buffer.concat([Buffer.alloc(shift), bytesOfHex(digits)]).subarray(shift);
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
