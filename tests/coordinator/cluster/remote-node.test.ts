import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemberGoneError } from '#src/coordinator/cluster/member.js';
import { RemoteNode, type RemoteNodeOptions } from '#src/coordinator/cluster/remote-node.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';

/** Leads nowhere. */
const link = { send: () => {}, sendEncoded: () => {} } as unknown as RemoteNodeOptions['link'];

function nodeAtWork() {
  const node = new RemoteNode({
    name: 'a',
    identity: '',
    threads: 1,
    parameters: 2,
    testSamples: 8,
    chunkSize: 4,
    link,
    weightsFrame: () => ({ bytes: new Uint8Array(), onSent: () => {} }),
  });
  const weights = { values: new Float32Array(2), readers: 0 };
  return { node, result: node.work({ kind: 'gradient', t: 5, weights, ranges: [{ begin: 0, end: 4 }] }) };
}

const isBadResult = (error: unknown): boolean => error instanceof ProtocolError && error.closeCode === 'badResult';

it('a result that is refused leaves the assignment pending until the connection ends', {
  timeout: 10_000,
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
