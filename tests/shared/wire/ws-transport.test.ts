import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { WebSocket } from 'ws';
import type { Peer, Receiver, Transport, TransportServer } from '#src/shared/wire/transport.js';
import { listenForWebSockets, type WsListenOptions } from '#src/shared/wire/ws-server.js';
import { connectWebSocket } from '#src/shared/wire/ws-transport.js';
import { CERTIFICATE, PRIVATE_KEY } from '../../support/certificate.ts';

const MAX_FRAME_BYTES = 1 << 20;
const TLS = { cert: Buffer.from(CERTIFICATE), key: Buffer.from(PRIVATE_KEY) };

/** A server whose transports and errors a test takes one after the other. */
async function listen(t: TestContext, tls?: WsListenOptions['tls'], requiresLoopbackHost = false) {
  const server = await listenForWebSockets({
    host: '127.0.0.1',
    port: 0,
    tls,
    requiresLoopbackHost,
    maxFrameBytes: MAX_FRAME_BYTES,
  });
  t.after(() => {
    server.stop();
    return server.end(0);
  });
  const transports = queue<Transport>();
  const faults: Error[] = [];
  const peers = new Set<Peer>();
  server.serve({
    onConnect: (peer) => peers.add(peer),
    onDisconnect: (peer) => peers.delete(peer),
    onTransport: (transport) => transports.put(transport),
    onFault: (error) => faults.push(error),
  });
  return { server, transports, faults, peers };
}

function queue<Item>() {
  const items: Item[] = [];
  const takers: ((item: Item) => void)[] = [];
  const put = (item: Item): void => {
    const taker = takers.shift();
    if (taker === undefined) items.push(item);
    else taker(item);
  };
  const take = (): Promise<Item> =>
    new Promise((resolve) => {
      const item = items.shift();
      if (item === undefined) takers.push(resolve);
      else resolve(item);
    });
  return { put, take, items };
}

/** Tells a test what a transport received, as text. */
function recorder() {
  const events = queue<string>();
  const receiver: Receiver = {
    onFrame: (frame) => events.put(`frame ${frame.length > 9 ? frame.length : frame}`),
    onViolation: (rule) => events.put(rule),
    onClose: (code, reason) => events.put(`close ${code} ${reason}`),
  };
  return { events, receiver };
}

const open = (server: TransportServer): Promise<Transport> =>
  connectWebSocket(server.url, { ca: CERTIFICATE, maxFrameBytes: MAX_FRAME_BYTES });

describe('a transport over WebSocket', { timeout: 300_000 }, () => {
  for (const tls of [undefined, TLS]) {
    it(`carries frames both ways, with ${tls ? 'one' : 'no'} binding for both ends`, async (t) => {
      const { server, transports } = await listen(t, tls);
      const [client, served] = await Promise.all([open(server), transports.take()]);
      assert.equal(client.channelBinding?.length, tls && 32);
      assert.deepEqual(served.channelBinding, client.channelBinding);
      for (const [from, to] of [
        [client, served],
        [served, client],
      ] as const) {
        const { events, receiver } = recorder();
        to.receive(receiver);
        to.authenticated();
        await new Promise<void>((resolve) => from.send(Buffer.from('a'), resolve));
        from.send(Buffer.alloc(MAX_FRAME_BYTES));
        assert.equal(await events.take(), 'frame a');
        assert.equal(await events.take(), `frame ${MAX_FRAME_BYTES}`);
      }
    });
  }

  it('keeps what comes while nobody receives, in order, and the close', async (t) => {
    const { server, transports } = await listen(t);
    const [client, served] = await Promise.all([open(server), transports.take()]);
    const { events, receiver } = recorder();
    served.receive({
      ...receiver,
      onFrame: (frame) => {
        receiver.onFrame(frame);
        served.receive(undefined);
      },
    });
    for (const text of ['a', 'b', 'c']) client.send(Buffer.from(text));
    client.close(1000, 'over');
    assert.equal(await events.take(), 'frame a');
    const { events: closing, receiver: closed } = recorder();
    client.receive(closed);
    assert.match(await closing.take(), /^close 1000/);
    assert.deepEqual(events.items, []);
    served.receive(receiver);
    assert.deepEqual(
      [await events.take(), await events.take(), await events.take()],
      ['frame b', 'frame c', 'close 1000 over'],
    );
  });

  it('passes a text on as a violation', async (t) => {
    const { server, transports } = await listen(t);
    const socket = new WebSocket(server.url);
    const served = await transports.take();
    const { events, receiver } = recorder();
    served.receive(receiver);
    await once(socket, 'open');
    socket.send('text');
    assert.equal(await events.take(), 'malformed');
  });

  it('cuts a reason to what a close frame holds', async (t) => {
    const { server, transports } = await listen(t);
    const [client, served] = await Promise.all([open(server), transports.take()]);
    const { events, receiver } = recorder();
    client.receive(receiver);
    served.close(4400, 'ä€😀'.repeat(100));
    assert.match(await events.take(), /^close 4400 (ä€😀){13}/u);
  });

  it('ends if its receiver throws, and no other does', async (t) => {
    const { server, transports, faults } = await listen(t);
    const [client, served] = await Promise.all([open(server), transports.take()]);
    const [otherClient, other] = await Promise.all([open(server), transports.take()]);
    const error = new Error('a receiver that fails');
    const [ended, kept] = [recorder(), recorder()];
    served.receive({
      ...ended.receiver,
      onFrame: () => {
        throw error;
      },
    });
    other.receive(kept.receiver);
    client.send(Buffer.from('a'));
    assert.match(await ended.events.take(), /^close 1011/);
    assert.deepEqual(faults, [error]);
    otherClient.send(Buffer.from('b'));
    assert.equal(await kept.events.take(), 'frame b');
  });
});

/** A WebSocket of which a test writes each byte. */
async function rawWebSocket({ url }: TransportServer): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on('error', () => {});
  const head = ['GET / HTTP/1.1', 'Host: h', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  socket.write(`${head.join('\r\n')}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
  await once(socket, 'data');
  return socket;
}

/** The head of a masked binary frame of so many bytes. */
function headOf(bytes: number): Buffer {
  const head = Buffer.alloc(14);
  head.writeUInt8(0x82);
  head.writeUInt8(0xff, 1);
  head.writeBigUInt64BE(BigInt(bytes), 2);
  return head;
}

describe('an unauthenticated peer', { timeout: 300_000 }, () => {
  for (const [what, writes] of [
    ['a long frame that never ends', [headOf(MAX_FRAME_BYTES), Buffer.alloc(1100)]],
    ['many short frames', Array.from({ length: 300 }, () => Buffer.from('82810000000061', 'hex'))],
    ['many pings', Array.from({ length: 300 }, () => Buffer.from('898000000000', 'hex'))],
    [
      'a frame in fragments',
      [headOf(600).fill(2, 0, 1), Buffer.alloc(600), headOf(600).fill(0, 0, 1), Buffer.alloc(600)],
    ],
  ] as const) {
    it(`is bounded by 1,024 bytes in all: ${what}`, async (t) => {
      const { server, transports } = await listen(t);
      const socket = await rawWebSocket(server);
      const served = await transports.take();
      const { events, receiver } = recorder();
      served.receive(receiver);
      for (const bytes of writes) socket.write(bytes);
      let event = await events.take();
      while (event === 'frame a') event = await events.take();
      assert.equal(event, 'tooLarge');
      served.terminate();
    });
  }

  it('is read no further beyond the bound', async (t) => {
    const { server, transports } = await listen(t);
    const socket = await rawWebSocket(server);
    const served = await transports.take();
    const { events, receiver } = recorder();
    served.receive(receiver);
    socket.write(headOf(MAX_FRAME_BYTES));
    // Far more than the buffers of the system and of the streams hold.
    const first = new Promise<string>((resolve) => {
      socket.once('error', () => resolve('reset'));
      socket.write(Buffer.alloc(64 << 20), () => resolve('written'));
    });
    assert.equal(await events.take(), 'tooLarge');
    served.close(4406, '');
    assert.equal(await first, 'reset');
  });

  it('is unbounded by that once it has proved itself', async (t) => {
    const { server, transports } = await listen(t);
    const socket = await rawWebSocket(server);
    const served = await transports.take();
    const { events, receiver } = recorder();
    served.receive(receiver);
    served.authenticated();
    socket.write(Buffer.concat([headOf(5000), Buffer.alloc(5000)]));
    assert.equal(await events.take(), 'frame 5000');
    socket.write(headOf(MAX_FRAME_BYTES + 1));
    assert.match(await events.take(), /^close 10(06|09)/);
  });
});

describe('a server of transports', { timeout: 300_000 }, () => {
  it('tells of each peer from its first packet until it is gone', async (t) => {
    for (const tls of [undefined, TLS]) {
      const { server, peers, transports } = await listen(t, tls);
      const { hostname, port } = new URL(server.url);
      const idle = connect(Number(port), hostname);
      const [client] = await Promise.all([open(server), transports.take(), once(idle, 'connect')]);
      assert.equal(peers.size, 2);
      for (const { address } of peers) assert.match(address, /127\.0\.0\.1$/);
      assert.deepEqual([...peers].map(({ hasSpoken }) => hasSpoken).sort(), [false, true]);
      const { events, receiver } = recorder();
      client.receive(receiver);
      for (const peer of peers) peer.drop();
      await Promise.all([once(idle, 'close'), events.take()]);
      while (peers.size > 0) await new Promise((resolve) => setImmediate(resolve));
    }
  });

  it('is an error if its address is taken', async (t) => {
    const { server } = await listen(t);
    const port = Number(new URL(server.url).port);
    const options = { host: '127.0.0.1', tls: undefined, requiresLoopbackHost: false, maxFrameBytes: 1 };
    await assert.rejects(listenForWebSockets({ ...options, port }), /EADDRINUSE/);
  });
});

describe('an upgrade', { timeout: 300_000 }, () => {
  const answerTo = async (server: TransportServer, headers: Readonly<Record<string, string>>): Promise<number> => {
    const socket = new WebSocket(server.url, { headers, rejectUnauthorized: false }).on('error', () => {});
    const status = await new Promise<number>((resolve) => {
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
      socket.once('open', () => resolve(101));
    });
    socket.terminate();
    return status;
  };

  it('by a web page is refused, whatever its origin', async (t) => {
    for (const tls of [undefined, TLS]) {
      const { server, transports } = await listen(t, tls);
      for (const origin of ['http://evil.example', new URL(server.url).origin, 'http://127.0.0.1', 'null', '']) {
        assert.equal(await answerTo(server, { origin }), 403, origin);
      }
      assert.equal(transports.items.length, 0);
      assert.equal(await answerTo(server, { host: 'trainer.example' }), 101);
    }
  });

  it('that names another host is refused if nobody needs a token', async (t) => {
    const { server } = await listen(t, undefined, true);
    for (const host of ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', '10.0.0.1:9465']) {
      assert.equal(await answerTo(server, { host }), 403, host);
    }
    for (const host of ['127.0.0.1:9465', 'LocalHost:1', '[::1]:9465', '127.9.9.9', 'localhost']) {
      assert.equal(await answerTo(server, { host }), 101, host);
    }
  });
});
