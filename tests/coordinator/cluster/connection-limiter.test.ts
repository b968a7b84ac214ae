import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionLimiter } from '#src/coordinator/cluster/connection-limiter.js';

interface TestPeer {
  readonly address: string;
  readonly drop: () => void;
  dropped: boolean;
}

function peerFrom(address: string): TestPeer {
  const peer = { address, dropped: false, drop: () => {} };
  peer.drop = () => {
    peer.dropped = true;
  };
  return peer;
}

describe('the connection limiter', () => {
  it('refuses an address that begins more than 500 connections in ten seconds, and no other', async () => {
    const limiter = new ConnectionLimiter();
    for (let i = 0; i < 500; i++) assert.equal(await limiter.mayBegin(peerFrom('10.0.0.1')), true, `${i}`);
    assert.equal(await limiter.mayBegin(peerFrom('10.0.0.1')), false);
    assert.equal(await limiter.mayBegin(peerFrom('10.0.0.2')), true);
  });

  it('refuses handshakes beyond 64 unauthenticated connections, and drops connections beyond 128', async () => {
    const limiter = new ConnectionLimiter();
    const peers = Array.from({ length: 129 }, (_, i) => peerFrom(`10.0.0.${i}`));
    for (const peer of peers.slice(0, 64)) limiter.add(peer);
    assert.equal(await limiter.mayBegin(peers[63] as TestPeer), true);
    for (const peer of peers.slice(64)) limiter.add(peer);
    assert.equal(await limiter.mayBegin(peers[64] as TestPeer), false);
    assert.deepEqual(
      peers.filter(({ dropped }) => dropped),
      [peers[128]],
    );
    for (const peer of peers.slice(0, 64)) limiter.remove(peer);
    assert.equal(await limiter.mayBegin(peers[64] as TestPeer), true);
  });

  it('drops a connection that is not authenticated in time', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const limiter = new ConnectionLimiter();
    const [late, early] = [peerFrom('10.0.0.1'), peerFrom('10.0.0.2')];
    limiter.add(late);
    limiter.add(early);
    limiter.remove(early);
    t.mock.timers.tick(9_999);
    assert.equal(late.dropped, false);
    t.mock.timers.tick(1);
    assert.deepEqual([late.dropped, early.dropped], [true, false]);
  });
});
