import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ConnectionLimiter } from '#src/coordinator/cluster/connection-limiter.js';

class TestPeer {
  readonly address: string;
  hasSpoken = false;
  dropped = false;

  constructor(address: string) {
    this.address = address;
  }

  drop(): void {
    this.dropped = true;
  }
}

/** A limiter, its clock, how many it has dropped for their number, and connections to it. */
function limited() {
  const clock = { now: 0 };
  const counts = { tooMany: 0 };
  const limiter = new ConnectionLimiter({ onTooMany: () => counts.tooMany++, now: () => clock.now });
  const connect = (address: string): TestPeer => {
    const peer = new TestPeer(address);
    limiter.add(peer);
    return peer;
  };
  const connectMany = (address: string, count: number): TestPeer[] =>
    Array.from({ length: count }, () => connect(address));
  return { limiter, clock, counts, connect, connectMany };
}

const droppedOf = (peers: readonly TestPeer[]): number => peers.filter(({ dropped }) => dropped).length;

describe('the connection limiter', () => {
  it('drops the oldest silent connection of an address that has more than 64', () => {
    const { clock, counts, connect, connectMany } = limited();
    const speaking = connect('10.0.0.1');
    speaking.hasSpoken = true;
    const silent = connectMany('10.0.0.1', 63);
    clock.now = 600;
    const next = connect('10.0.0.1');
    assert.deepEqual([silent[0]?.dropped, droppedOf(silent), next.dropped, speaking.dropped], [true, 1, false, false]);
    assert.equal(counts.tooMany, 1);
  });

  it('drops the oldest if the silent ones have had no time to speak', () => {
    const { connect, connectMany } = limited();
    const old = connect('10.0.0.1');
    old.hasSpoken = true;
    const young = connectMany('10.0.0.1', 64);
    assert.deepEqual([old.dropped, droppedOf(young)], [true, 0]);
  });

  it('lets in an address while others hold all places, at the cost of the one that holds most', () => {
    const { limiter, counts, connect, connectMany } = limited();
    const known = connectMany('10.0.1.1', 64);
    limiter.authenticated(known.pop() as TestPeer);
    const held = Array.from({ length: 8 }, (_, i) => connectMany(`10.0.0.${i}`, i === 3 ? 64 : 50)).flat();
    const room = 512 - known.length - held.length;
    connectMany('10.0.2.1', room);
    assert.equal(counts.tooMany, 0);
    assert.equal(connect('10.0.3.1').dropped, false);
    assert.equal(droppedOf(known), 0);
    assert.deepEqual(
      held.filter(({ dropped }) => dropped).map(({ address }) => address),
      ['10.0.0.3'],
    );
  });

  it('drops what one address opens too fast, but not if one of its peers has just proved itself', () => {
    const { limiter, clock, connect, connectMany } = limited();
    const proved = connect('10.0.0.1');
    limiter.authenticated(proved);
    const others = connectMany('10.0.0.2', 1000);
    assert.equal(others.at(-1)?.dropped, false);
    assert.equal(connect('10.0.0.2').dropped, true);
    connectMany('10.0.0.1', 999);
    for (let i = 0; i < 16; i++) assert.equal(connect('10.0.0.1').dropped, false, `${i}`);
    assert.equal(connect('10.0.0.1').dropped, true);
    clock.now = 1;
    assert.deepEqual([connect('10.0.0.2').dropped, connect('10.0.0.2').dropped], [false, true]);
  });

  it('takes addresses of one IPv6 network for one, and one that is mapped into IPv6 for itself', () => {
    for (const [one, other, isOne] of [
      ['2001:db8::1', '2001:db8::2:3:4:5', true],
      ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::1', true],
      ['::ffff:10.0.0.1', '10.0.0.1', true],
      ['::ffff:10.0.0.1', '::ffff:10.0.0.2', false],
      ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
      // Zeros within the first 64 bits.
      ['2001::5:abcd:ef01:2345:6789', '2001::6:abcd:ef01:2345:6789', false],
      ['2001::5:abcd:ef01:2345:6789', '2001:0:0:5::1', true],
    ] as const) {
      const { connect, connectMany } = limited();
      const first = connect(one);
      connectMany(other, 64);
      assert.equal(first.dropped, isOne, `${one} ${other}`);
    }
  });

  it('drops a connection that is silent for two seconds, or not authenticated in ten', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { limiter, connect } = limited();
    const [silent, late, early] = [connect('10.0.0.1'), connect('10.0.0.1'), connect('10.0.0.1')];
    late.hasSpoken = true;
    early.hasSpoken = true;
    limiter.authenticated(early);
    t.mock.timers.tick(1999);
    assert.equal(silent.dropped, false);
    t.mock.timers.tick(1);
    assert.deepEqual([silent.dropped, late.dropped], [true, false]);
    t.mock.timers.tick(7999);
    assert.equal(late.dropped, false);
    t.mock.timers.tick(1);
    assert.deepEqual([late.dropped, early.dropped], [true, false]);
  });

  it('remembers a bounded number of addresses, and those that proved themselves for longer', () => {
    const { limiter, connect, connectMany } = limited();
    const proved = connect('10.0.0.1');
    limiter.authenticated(proved);
    connectMany('10.0.0.1', 999);
    for (let i = 0; i < 20_000; i++) limiter.remove(connect(`10.1.${i >> 8}.${i & 255}`));
    assert.equal(connect('10.0.0.1').dropped, false);
  });
});
