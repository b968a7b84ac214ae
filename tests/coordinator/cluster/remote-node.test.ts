import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemberGoneError } from '#src/coordinator/cluster/member.js';
import { RemoteNode, type RemoteNodeOptions } from '#src/coordinator/cluster/remote-node.js';
import { littleEndianView } from '#src/shared/util/safetensors.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { pongOf } from '../../support/bare-node.ts';

/** Leads nowhere. */
const link = { send: () => {}, sendEncoded: () => {} } as unknown as RemoteNodeOptions['link'];

function nodeAtWork(kind: 'gradient' | 'evaluate' = 'gradient') {
  const node = new RemoteNode({
    name: 'a',
    identity: '',
    threads: 1,
    parameters: 2,
    vectors: 1,
    shards: 4,
    replicas: 1,
    testSamples: 8,
    validationSamples: 0,
    chunkSize: 4,
    shardSize: 4,
    classes: 10,
    hasAccuracy: true,
    maxLoss: 7e38,
    link,
    weightsFrame: () => ({ bytes: new Uint8Array(), onSent: () => {} }),
  });
  const weights = { values: new Float32Array(2), readers: 0 };
  const ranges = [{ begin: 0, end: kind === 'gradient' ? 4 : 2 }];
  return { node, result: node.work({ kind, t: 5, steps: 1, weights, ranges }) };
}

const isBadResult = (error: unknown): boolean => error instanceof ProtocolError && error.closeCode === 'badResult';

it('a result that is refused leaves the assignment pending until the connection ends', {
  timeout: 300_000,
}, async () => {
  const { node, result } = nodeAtWork();
  const partials = {
    type: 'partials',
    step: 5,
    seconds: 1,
    sampleSeconds: 0,
    reduceSeconds: 0,
    ranges: [{ begin: 0, end: 2, lossSum: 1, correct: 1 }],
    body: new Uint8Array(8),
  } as const;
  assert.throws(() => node.receive(partials), isBadResult);
  node.lost();
  await assert.rejects(result, MemberGoneError);
});

it('a failure counts for the order that it names alone', async () => {
  const { node, result } = nodeAtWork();
  assert.throws(() => node.failed({ type: 'failed', kind: 'step', id: 4, message: '' }), isBadResult);
  assert.throws(
    () => node.failed({ type: 'failed', kind: 'evaluation', id: 5, message: '' }),
    (error) => error instanceof ProtocolError && error.closeCode === 'unexpected',
  );
  node.failed({ type: 'failed', kind: 'step', id: 5, message: 'out of memory' });
  await assert.rejects(result, /a failed at step 6: out of memory/);
});

describe('the time for an answer', () => {
  const MINUTE = 60;
  const pass = (node: RemoteNode, beats: number): void => {
    for (let i = 0; i < beats; i++) node.beat();
  };

  it('begins when the node has the order: a slow link may carry its weights for an hour', () => {
    const { node } = nodeAtWork();
    for (let minute = 0; minute < 60; minute++) {
      pass(node, MINUTE);
      node.heard(pongOf([0], { orders: 0 }));
    }
    node.heard(pongOf([0], { orders: 1 }));
    pass(node, MINUTE);
    node.heard(pongOf([0], { orders: 1 }));
  });

  it('ends while the node computes: its answer may be on the way for an hour', () => {
    const { node } = nodeAtWork();
    node.heard(pongOf([0], { orders: 1 }));
    // No pong can come between the bytes of the answer.
    pass(node, 60 * MINUTE);
    node.receive({
      type: 'partials',
      step: 5,
      seconds: 1,
      sampleSeconds: 0,
      reduceSeconds: 0,
      ranges: [{ begin: 0, end: 4, lossSum: 1, correct: 1 }],
      body: new Uint8Array(8),
    });
    node.heard(pongOf([0], { orders: 1 }));
  });

  it('is over a minute after it began', () => {
    const { node } = nodeAtWork();
    node.heard(pongOf([0], { orders: 1 }));
    pass(node, MINUTE + 1);
    assert.throws(
      () => node.heard(pongOf([0], { orders: 1 })),
      (error) => error instanceof ProtocolError && error.closeCode === 'timeout',
    );
  });

  it("isn't told by a number of orders that can't be", () => {
    const { node } = nodeAtWork();
    assert.throws(() => node.heard(pongOf([0], { orders: 2 })), isBadResult);
    node.heard(pongOf([0], { orders: 1 }));
    assert.throws(() => node.heard(pongOf([0], { orders: 0 })), isBadResult);
  });
});

describe('an answer is refused that claims', () => {
  const sums = { begin: 0, end: 4, lossSum: 1, correct: 1 };
  const partials = (changed: Partial<typeof sums>) =>
    ({
      type: 'partials',
      step: 5,
      seconds: 1,
      sampleSeconds: 0,
      reduceSeconds: 0,
      ranges: [{ ...sums, ...changed }],
      body: new Uint8Array(8),
    }) as const;

  it('more correct samples than there are, or an impossible loss', async () => {
    for (const changed of [{ correct: 17 }, { lossSum: -1 }, { lossSum: 1e300 }, { lossSum: -Number.MAX_VALUE }]) {
      const { node, result } = nodeAtWork();
      assert.throws(() => node.receive(partials(changed)), isBadResult, JSON.stringify(changed));
      node.lost();
      await assert.rejects(result, MemberGoneError);
    }
    for (const changed of [{ correct: 16 }, { lossSum: 0 }, { lossSum: 5e39 }, { lossSum: Number.NaN }]) {
      const { node, result } = nodeAtWork();
      node.receive(partials(changed));
      assert.equal((await result).kind, 'gradient');
    }
  });

  it('a class that does not exist, or an impossible loss of a chunk', async () => {
    const evaluated = {
      type: 'evaluated',
      id: 0,
      seconds: 1,
      chunks: { begin: 0, end: 2 },
      isPredicted: true,
    } as const;
    for (const [losses, predicted, isRight] of [
      [[1, 2], 9, true],
      [[1, 2], 10, false],
      [[1, 2], 256, false],
      [[1, -3], 9, false],
      [[Number.NaN, 1], 9, false],
      [[Number.POSITIVE_INFINITY, 1], 9, false],
      [[1e300, 1], 9, false],
    ] as const) {
      const { node, result } = nodeAtWork('evaluate');
      const receive = () =>
        node.receive({ ...evaluated, losses, body: littleEndianView(Uint16Array.of(0, 1, 2, 3, 4, 5, 6, predicted)) });
      if (isRight) {
        receive();
        assert.equal((await result).kind, 'evaluate');
      } else {
        assert.throws(receive, isBadResult, JSON.stringify([losses, predicted]));
        node.lost();
        await assert.rejects(result, MemberGoneError);
      }
    }
  });
});
