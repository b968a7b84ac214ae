import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Token } from '#src/shared/util/token.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { frameKeys, Seal } from '#src/shared/wire/seal.js';

const { toNode, toCoordinator } = frameKeys({
  token: new Token('a token for these tests alone'),
  coordinatorNonce: Buffer.alloc(32, 1),
  nodeNonce: Buffer.alloc(32, 2),
});

function ends(): { coordinator: Seal; node: Seal } {
  return {
    coordinator: new Seal({ send: toNode, receive: toCoordinator }),
    node: new Seal({ send: toCoordinator, receive: toNode }),
  };
}

function assertTampered(open: () => unknown, what = ''): void {
  assert.throws(open, (error) => error instanceof ProtocolError && error.closeCode === 'tampered', what);
}

const words = ['one', 'two', 'three'].map((word) => Buffer.from(word));

test('frames open in order, each direction for itself, at any size', () => {
  const { coordinator, node } = ends();
  for (const payload of [...words, Buffer.alloc(0), Buffer.alloc(250_000, 7)]) {
    const frame = coordinator.seal(payload);
    assert.equal(frame.length, payload.length + 40);
    assert.deepEqual(node.open(frame), payload);
    assert.deepEqual(coordinator.open(node.seal(payload)), payload);
  }
});

test('a frame repeated, dropped or out of order is found', () => {
  const { coordinator, node } = ends();
  const [first, second, third] = words.map((word) => coordinator.seal(word)) as [Buffer, Buffer, Buffer];
  assertTampered(() => node.open(second), 'the first was dropped');
  node.open(first);
  assertTampered(() => node.open(first), 'repeated');
  assertTampered(() => node.open(third), 'the second was overtaken');
  assert.deepEqual(node.open(second), words[1]);
  assert.deepEqual(node.open(third), words[2]);
});

test('each flipped bit and each other length is found', () => {
  const { coordinator, node } = ends();
  const frame = coordinator.seal(Buffer.from('a payload'));
  for (let bit = 0; bit < 8 * frame.length; bit++) {
    const copy = Buffer.from(frame);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assertTampered(() => node.open(copy), `bit ${bit}`);
  }
  for (let length = 0; length < frame.length; length++) {
    assertTampered(() => node.open(frame.subarray(0, length)), `${length} bytes`);
  }
  assertTampered(() => node.open(Buffer.concat([frame, Buffer.alloc(1)])));
  node.open(frame);
});

test("the other direction's frames and another connection's are found", () => {
  const { coordinator, node } = ends();
  assertTampered(() => coordinator.open(coordinator.seal(Buffer.from('back to its sender'))));
  const other = frameKeys({
    token: new Token('a token for these tests alone'),
    coordinatorNonce: Buffer.alloc(32, 1),
    nodeNonce: Buffer.alloc(32, 3),
  });
  assertTampered(() => node.open(new Seal({ send: other.toNode, receive: other.toCoordinator }).seal(Buffer.alloc(9))));
});

test('a sealed frame is a copy of the payload, and an opened one a view of the frame', () => {
  const { coordinator, node } = ends();
  const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(1);
  const frame = coordinator.seal(shared);
  shared.fill(2);
  const opened = node.open(frame);
  assert.deepEqual(opened, Buffer.alloc(8, 1));
  assert.equal(opened.buffer, frame.buffer);
});

test('without keys frames pass as they are, uncopied', () => {
  const seal = new Seal();
  const payload = new Uint8Array([0, 1, 2, 3]).subarray(1);
  for (const passed of [seal.seal(payload), seal.open(payload)]) {
    assert.equal(passed.buffer, payload.buffer);
    assert.deepEqual(passed, Buffer.from([1, 2, 3]));
  }
});
