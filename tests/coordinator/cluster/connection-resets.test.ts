// What goes wrong with one connection, a reset at any point of its life or an error in its handling, ends that connection alone.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { bareHub, helloTo } from '../../support/bare-hub.ts';
import { bareNode } from '../../support/bare-node.ts';
import { CERTIFICATE, PRIVATE_KEY } from '../../support/certificate.ts';

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: localhost',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');
/** A masked binary frame of one byte. */
const FRAME = Buffer.from('82810000000001', 'hex');
/** Connections for each point; of all of them fewer than one address may begin in ten seconds. */
const REPEATS = 12;

/** Turns of the event loop, in which the other side gets on. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Where a connection is reset; `wait` differs between repeats, so that the reset meets the hub in another state. */
const POINTS: Readonly<Record<string, (tcp: Socket, wait: number) => Promise<void>>> = {
  'after the TCP connection': async (_, wait) => turns(wait),
  'within the TLS handshake': async (tcp, wait) => {
    connectTls({ socket: tcp, rejectUnauthorized: false }).on('error', () => {});
    await turns(wait);
  },
  'after the TLS handshake': async (tcp, wait) => {
    await encrypted(tcp);
    await turns(wait);
  },
  'within the request': async (tcp, wait) => {
    (await encrypted(tcp)).write(UPGRADE.slice(0, 40));
    await turns(wait);
  },
  'after the request': async (tcp, wait) => {
    (await encrypted(tcp)).write(UPGRADE);
    await turns(wait);
  },
  'after the response': async (tcp, wait) => {
    const tls = await encrypted(tcp);
    tls.write(UPGRADE);
    await once(tls, 'data');
    await turns(wait);
  },
  'after a first frame': async (tcp, wait) => {
    const tls = await encrypted(tcp);
    tls.write(UPGRADE);
    await once(tls, 'data');
    tls.write(FRAME);
    await turns(wait);
  },
};

async function encrypted(tcp: Socket) {
  const tls = connectTls({ socket: tcp, rejectUnauthorized: false }).on('error', () => {});
  await once(tls, 'secureConnect');
  return tls;
}

test('connections that are reset end alone: the hub lives, and a node joins', { timeout: 300_000 }, async (t) => {
  const { hub, events } = await bareHub(t, {
    tls: { cert: Buffer.from(CERTIFICATE), key: Buffer.from(PRIVATE_KEY) },
  });
  const faults: Error[] = [];
  events.on('fault', (error) => faults.push(error));
  const { hostname, port } = new URL(hub.url);
  for (const reach of Object.values(POINTS)) {
    for (let repeat = 0; repeat < REPEATS; repeat++) {
      const tcp = connectTcp(Number(port), hostname).on('error', () => {});
      await once(tcp, 'connect');
      await reach(tcp, repeat);
      tcp.resetAndDestroy();
    }
  }
  const node = await bareNode(hub.url, { ca: CERTIFICATE });
  node.send(helloTo(randomUUID(), 1, 'honest'));
  node.send({ type: 'ready' });
  const [{ name }] = await once(events, 'join');
  assert.equal(name, 'honest');
  assert.deepEqual(faults, []);
});

test('an error in the handling of a node ends its connection alone', { timeout: 300_000 }, async (t) => {
  const { hub, events } = await bareHub(t);
  const join = async () => {
    const node = await bareNode(hub.url);
    node.send(helloTo(randomUUID(), 1));
    node.send({ type: 'ready' });
    return node;
  };
  const error = new Error('an observer that fails');
  events.once('join', () => {
    throw error;
  });
  const faults: Error[] = [];
  events.on('fault', (fault) => faults.push(fault));
  assert.equal(await (await join()).closed, '1011');
  const joined = once(events, 'join');
  await join();
  assert.equal((await joined)[0].name, 'host-2');
  assert.deepEqual(faults, [error]);
});
