// The proxy that the chaos of nodes relies on: a fault that does nothing would test nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { within } from './deadline.ts';
import type { FrameFault } from './wire/faults.ts';
import { FrameSplitter } from './wire/frames.ts';
import { ProxyProcess } from './wire/proxy-process.ts';

const HEAD = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');

describe('FrameSplitter', () => {
  const short = Buffer.from([0x82, 3, 1, 2, 3]);
  const masked = Buffer.from([0x82, 0x82, 0, 0, 0, 0, 7, 8]);
  const medium = Buffer.concat([Buffer.from([0x82, 126, 0x01, 0x00]), Buffer.alloc(256, 9)]);
  const long = Buffer.concat([Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0, 2, 0]), Buffer.alloc(512, 5)]);
  const frames = [short, masked, medium, long, short];

  for (const size of [1, 3, 1000, 1 << 20]) {
    it(`finds frames of every kind of length in chunks of ${size} bytes`, () => {
      const [stream, splitter] = [Buffer.concat([HEAD, ...frames]), new FrameSplitter()];
      const units = Array.from({ length: Math.ceil(stream.length / size) }, (_, i) =>
        splitter.push(stream.subarray(i * size, (i + 1) * size)),
      ).flat();
      assert.deepEqual(
        units.map(({ isFrame }) => isFrame),
        [false, true, true, true, true, true],
      );
      assert.deepEqual(
        units.map(({ bytes }) => bytes),
        [HEAD, ...frames],
      );
      assert.equal(splitter.flush().length, 0);
    });
  }
});

describe('the proxy', () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  let proxy: ProxyProcess;
  before(async () => {
    proxy = await ProxyProcess.start();
    proxy.aim((server.address() as AddressInfo).port);
  });
  after(async () => {
    await proxy.stop();
    for (const socket of server.clients) socket.terminate();
    server.close();
  });

  const calm = { direction: 'toCoordinator', skip: 1, at: 0.9, within: 'whole', cuts: false } as const;

  /** Sends one to four while a fault is armed. @returns what came, and the close code where it came to that */
  async function received(fault: FrameFault): Promise<(string | number)[]> {
    const client = new WebSocket(proxy.url, { generateMask: (mask) => mask.fill(0) });
    client.on('error', () => {});
    const [[socket]] = (await Promise.all([once(server, 'connection'), once(client, 'open')])) as [
      [WebSocket],
      unknown,
    ];
    const came: (string | number)[] = [];
    socket.on('error', () => {});
    const over = new Promise<void>((resolve) => {
      socket.on('message', (data) => {
        if (came.push(String(data)) >= 4 && String(data) === 'four') resolve();
      });
      socket.on('close', (code) => {
        came.push(code);
        resolve();
      });
    });
    let hit = (): void => {};
    const isHit = new Promise<void>((resolve) => {
      hit = resolve;
    });
    await proxy.inflict(fault, 0, hit);
    for (const text of ['one', 'two', 'three', 'four']) client.send(text);
    await within(120_000, Promise.all([over, isHit]), 'the frames come, and one of them disturbed');
    if (client.readyState !== WebSocket.CLOSED) {
      client.terminate();
      await once(client, 'close');
    }
    return came;
  }

  it('repeats a frame', async () => {
    assert.deepEqual(await received({ kind: 'duplicate', ...calm }), ['one', 'two', 'two', 'three', 'four']);
  });

  it('swaps two frames', async () => {
    assert.deepEqual(await received({ kind: 'reorder', ...calm }), ['one', 'three', 'two', 'four']);
  });

  it('flips a single bit', async () => {
    const [first, second, ...rest] = await received({ kind: 'flip', ...calm });
    assert.deepEqual([first, ...rest], ['one', 'three', 'four']);
    assert.notEqual(second, 'two');
  });

  it('truncates a frame, and cuts the connection', async () => {
    assert.deepEqual(await received({ kind: 'truncate', ...calm, cuts: true }), ['one', 1006]);
  });

  it('truncates a frame, and continues with the next one', async () => {
    const [first, second] = await received({ kind: 'truncate', ...calm });
    assert.equal(first, 'one');
    assert.notEqual(second, 'two');
  });
});
