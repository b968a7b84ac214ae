import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { describe, it } from 'node:test';
import { ConnectionSlots } from '#src/coordinator/observe/web/connection-slots.js';

class Connection extends EventEmitter {
  readonly remoteAddress: string;
  isOpen = true;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    this.isOpen = false;
    this.emit('close');
  }
}

class Bench {
  readonly #server = new EventEmitter();

  constructor() {
    new ConnectionSlots(this.#server as Server);
  }

  connect(address: string): Connection {
    const connection = new Connection(address);
    this.#server.emit('connection', connection);
    return connection;
  }

  /** Begins a request; returns its end. */
  ask(socket: Connection): () => void {
    const response = new EventEmitter();
    this.#server.emit('request', { socket }, response);
    return () => response.emit('close');
  }

  connectMany(count: number, addressOf: (i: number) => string): Connection[] {
    return Array.from({ length: count }, (_, i) => this.connect(addressOf(i)));
  }
}

const open = (connections: readonly Connection[]): number => connections.filter(({ isOpen }) => isOpen).length;

describe('ConnectionSlots', () => {
  it('has room for this machine while other machines use all that they may', () => {
    const bench = new Bench();
    const others = bench.connectMany(200, (i) => `192.0.2.${i}`);
    for (const connection of others) if (connection.isOpen) bench.ask(connection);
    assert.equal(open(others), 48);
    assert.equal(bench.connect('192.0.2.250').isOpen, false);
    for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      const probe = bench.connect(address);
      bench.ask(probe);
      assert.ok(probe.isOpen, address);
    }
    assert.equal(open(others), 48);
  });

  it('takes the place of the oldest unused one of the address that has the most', () => {
    const bench = new Bench();
    const few = bench.connectMany(8, () => '192.0.2.1');
    const most = bench.connectMany(40, () => '192.0.2.2');
    bench.ask(most[0] as Connection);
    assert.equal(open([...few, ...most]), 48);
    bench.connect('192.0.2.3');
    assert.equal(open(few), 8);
    assert.deepEqual([most[0]?.isOpen, most[1]?.isOpen, open(most)], [true, false, 39]);
  });

  it('holds an address to its share, and frees a place whose request is answered', () => {
    const bench = new Bench();
    const own = bench.connectMany(40, () => '192.0.2.1');
    const ends = own.map((connection) => bench.ask(connection));
    assert.equal(bench.connect('192.0.2.1').isOpen, false);
    ends[7]?.();
    assert.equal(bench.connect('192.0.2.1').isOpen, true);
    assert.deepEqual([own[7]?.isOpen, open(own)], [false, 39]);
  });

  it('takes the addresses of one IPv6 network for one', () => {
    const bench = new Bench();
    const other = bench.connectMany(8, () => '2001:db8:0:1::1');
    const own = bench.connectMany(200, (i) => `2001:db8:0:2::${i.toString(16)}`);
    assert.deepEqual([open(other), open(own)], [8, 40]);
  });
});
