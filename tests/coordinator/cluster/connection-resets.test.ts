// TLS connections that are reset at each point of their life: none of them may end the process or keep a node out.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Cluster } from '#src/coordinator/cluster/cluster.js';
import { Hub } from '#src/coordinator/cluster/hub.js';
import { bareNode } from '../../support/bare-node.ts';
import { CERTIFICATE, PRIVATE_KEY } from '../../support/certificate.ts';

const DIGEST = 'a'.repeat(64);
const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: lockstep',
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

test('connections that are reset end alone: the hub lives, and a node joins', { timeout: 60_000 }, async (t) => {
  const faults: Error[] = [];
  const limits = { samples: 8, testSamples: 8, chunkSize: 4, parameters: 2 };
  let join: (name: string) => void = () => {};
  const joined = new Promise<string>((resolve) => {
    join = resolve;
  });
  const hub = await Hub.listen({
    host: '127.0.0.1',
    port: 0,
    token: undefined,
    tls: { cert: Buffer.from(CERTIFICATE), key: Buffer.from(PRIVATE_KEY) },
    cluster: { join: () => {}, leave: () => {}, shardCounts: new Map() } as unknown as Cluster,
    run: {
      welcome: { run: 'run', config: {}, dataset: DIGEST, ...limits },
      numerics: DIGEST,
      selfTest: DIGEST,
      dataParts: () => [],
    },
    onJoin: ({ name }) => join(name),
    onLeave: () => {},
    onWorkers: () => {},
    onForget: () => {},
    onFault: (error) => faults.push(error),
  });
  t.after(() => hub.close('runOver'));
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
  node.send({ type: 'hello', node: randomUUID(), name: 'honest', threads: 1, numerics: DIGEST, selfTest: DIGEST });
  node.send({ type: 'ready' });
  assert.equal(await joined, 'honest');
  assert.deepEqual(faults, []);
});
