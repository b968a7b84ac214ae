import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemberGoneError } from '#src/coordinator/cluster/member.js';
import { RemoteNode, type RemoteNodeOptions } from '#src/coordinator/cluster/remote-node.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';

/** Leads nowhere. */
const link = { send: () => {}, sendEncoded: () => {} } as unknown as RemoteNodeOptions['link'];

it('a result that is refused leaves the piece to be given back when the connection ends', {
  timeout: 10_000,
}, async () => {
  const node = new RemoteNode({
    ...{ name: 'a', identity: '', threads: 1, parameters: 2, testSamples: 8, chunkSize: 4, link },
    weightsFrame: () => ({ bytes: new Uint8Array(), onSent: () => {} }),
  });
  const weights = { values: new Float32Array(2), readers: 0 };
  const assignment = node.work({ kind: 'gradient', t: 5, weights, ranges: [{ begin: 0, end: 4 }] });
  const ranges = [{ begin: 0, end: 2, lossSum: 1, correct: 1 }];
  assert.throws(
    () =>
      node.receive({
        type: 'partials',
        step: 5,
        seconds: 1,
        sampleSeconds: 0,
        reduceSeconds: 0,
        ranges,
        body: new Uint8Array(8),
      }),
    (error) => error instanceof ProtocolError && error.closeCode === 'badResult',
  );
  node.lost();
  await assert.rejects(assignment, MemberGoneError);
});
