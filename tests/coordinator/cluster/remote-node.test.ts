import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemberGoneError } from '#src/coordinator/cluster/member.js';
import { RemoteNode, type RemoteNodeOptions } from '#src/coordinator/cluster/remote-node.js';
import { littleEndianView } from '#src/shared/util/safetensors.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { pongOf } from '../../support/bare-node.ts';

/** Leads nowhere. */
const link = { send: () => {}, sendEncoded: () => {} } as unknown as RemoteNodeOptions['link'];

const OPTIONS: RemoteNodeOptions = {
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
};

function nodeAtWork(kind: 'gradient' | 'evaluate' = 'gradient') {
  const node = new RemoteNode(OPTIONS);
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

describe('the states of replicas', () => {
  /** Replicas 2 and 3 of four take two steps of four shards of four samples each. */
  const RANGE = { begin: 2, end: 4 };
  const INFINITE = Number.POSITIVE_INFINITY;
  // Where a value isn't finite, how far the weights moved, and of each step loss, correct samples and norm.
  const FIGURES = [INFINITE, 0.5, 3, 30, 1, 2, 32, 0];

  function atRound() {
    const node = new RemoteNode({ ...OPTIONS, vectors: 2, replicas: 4 });
    const weights = { values: new Float32Array(2), readers: 0 };
    return { node, result: node.work({ kind: 'replica', t: 5, steps: 2, weights, ranges: [RANGE] }) };
  }

  const states = (figures: readonly number[], rest = {}) =>
    ({
      type: 'states',
      step: 5,
      steps: 2,
      seconds: 1,
      sampleSeconds: 0.25,
      reduceSeconds: 0.125,
      updateSeconds: 0.125,
      ranges: [{ ...RANGE, figures }],
      body: Buffer.from(Float32Array.of(1, 2, 3, 4).buffer),
      ...rest,
    }) as const;

  it('are taken with what their steps found', async () => {
    const { node, result } = atRound();
    node.receive(states(FIGURES));
    const taken = await result;
    assert.ok(taken.kind === 'replica');
    assert.deepEqual(taken.phases, { sample: 0.25, compute: 0.5, reduce: 0.125, update: 0.125 });
    const [partial] = taken.partials;
    assert.ok(partial !== undefined && 'copyTo' in partial);
    const state = { values: new Float32Array(2), m: new Float32Array(2), v: undefined };
    partial.copyTo(state);
    assert.deepEqual([...state.values, ...state.m], [1, 2, 3, 4]);
    assert.deepEqual(partial.figures.at(1), { lossSum: 2, correct: 32, gradientNorm: 0 });
  });

  it('are refused where no such replicas can have found that', () => {
    const wrong = (place: number, value: number): number[] => FIGURES.with(place, value);
    for (const figures of [
      ...[-1, Number.NaN, INFINITE].map((moved) => wrong(1, moved)),
      ...[-1, 1e300, Number.NaN].map((loss) => wrong(2, loss)),
      ...[-1, 33, 0.5, Number.NaN].map((correct) => wrong(3, correct)),
      ...[-1e-9, INFINITE, Number.NaN].map((norm) => wrong(4, norm)),
      // A step or replica that it wasn't asked for.
      ...[-1, 0, 1, 4, 5, 8, 10, 2.5, Number.NaN].map((place) => wrong(0, place)),
    ]) {
      assert.throws(() => atRound().node.receive(states(figures)), isBadResult, figures.join());
    }
    for (const place of [2, 3, 6, 7]) atRound().node.receive(states(wrong(0, place)));
  });

  it('are refused where they are those of other steps or replicas, and answer nothing else', () => {
    for (const rest of [{ step: 6 }, { steps: 1 }, { ranges: [{ begin: 0, end: 2, figures: FIGURES }] }]) {
      assert.throws(() => atRound().node.receive(states(FIGURES, rest)), isBadResult, JSON.stringify(rest));
    }
    const { node } = nodeAtWork();
    assert.throws(
      () => node.receive(states(FIGURES)),
      (error) => error instanceof ProtocolError && error.closeCode === 'unexpected',
    );
  });
});
