// A node against a coordinator that says what a test has it say, over a real connection.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { type WebSocket, WebSocketServer } from 'ws';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import { decodeFromNode, encode } from '#src/shared/wire/frames.js';
import { Link } from '#src/shared/wire/link.js';
import { type CoordinatorMessage, type FromCoordinator, type FromNode, PART_BYTES } from '#src/shared/wire/messages.js';
import { handshakeAsCoordinator } from '#src/shared/wire/perform-handshake.js';
import { ProtocolError } from '#src/shared/wire/protocol-error.js';
import { listenForWebSockets, type WsListenOptions } from '#src/shared/wire/ws-server.js';
import { connectWebSocket } from '#src/shared/wire/ws-transport.js';
import type { Compute } from '#src/worker/node/compute.js';
import { Download } from '#src/worker/node/download.js';
import { type SessionOptions, takePart } from '#src/worker/node/session.js';
import { ProxyProcess } from '../../chaos/wire/proxy-process.ts';
import { SAMPLE } from '../../support/bare-hub.ts';
import { CERTIFICATE, PRIVATE_KEY } from '../../support/certificate.ts';

const WELCOME: CoordinatorMessage<'welcome'> = {
  type: 'welcome',
  run: 'run',
  config: {},
  freeze: [],
  dataset: 'a'.repeat(64),
  dataBytes: 8,
  samples: 8,
  testSamples: 8,
  validationSamples: 0,
  sample: SAMPLE,
  chunkSize: 4,
  parameters: 2,
  vectors: 1,
  heartbeatSeconds: 1,
  specBytes: 2,
  body: Buffer.from('{}'),
};

type Answer = (message: FromNode, send: (message: FromCoordinator) => void) => void;

/** A coordinator without a token, which answers as the test says. @returns its URL */
async function coordinator(t: TestContext, answer: Answer, tls?: WsListenOptions['tls']): Promise<string> {
  const server = await listenForWebSockets({
    host: '127.0.0.1',
    port: 0,
    tls,
    requiresLoopbackHost: true,
    maxFrameBytes: 1 << 20,
  });
  t.after(() => {
    server.stop();
    return server.end(0);
  });
  server.serve({
    onConnect: () => {},
    onDisconnect: () => {},
    onTransport: async (transport) => {
      const seal = await handshakeAsCoordinator(transport, { token: undefined, runId: Buffer.alloc(16) });
      const link: Link<FromNode, FromCoordinator> = new Link<FromNode, FromCoordinator>({
        transport,
        seal,
        encode,
        decode: (frame) => decodeFromNode(frame, WELCOME),
        onMessage: (message) => answer(message, (reply) => link.send(reply)),
        farewell: (reason) => ({ type: 'end', reason }),
        onClose: () => {},
      });
    },
    onFault: (error) => assert.fail(error),
  });
  return server.url;
}

function optionsOf(url: string, prepare: SessionOptions['prepare'], ca?: Buffer): SessionOptions {
  const { signal: leave } = new AbortController();
  const node = { token: undefined, identity: randomUUID(), name: 'host', threads: 1 };
  const connect = (maxFrameBytes: number) => connectWebSocket(url, { ca, maxFrameBytes });
  return { ...node, connect, prepare, onReady: () => {}, leave };
}

/** What computes with version 3 of the weights, and tells for which steps. */
function computeOfVersion3(steps: number[]): Compute {
  return {
    age: 3,
    workersReady: 1,
    workersLost: 0,
    workerSamples: [0],
    phases: { sample: 0, compute: 0, reduce: 0 },
    gradient: async (step: number) => {
      steps.push(step);
      return [{ range: { begin: 0, end: 1 }, lossSum: 1, correct: 1, gradient: Float32Array.of(1, 2) }];
    },
  } as unknown as Compute;
}

describe('a node', () => {
  it('takes a coordinator for dead that misses ten of its own heartbeats', { timeout: 9000 }, async (t) => {
    const url = await coordinator(t, (message, send) => {
      if (message.type === 'hello') send({ ...WELCOME, heartbeatSeconds: 0.05 });
    });
    const { code, finished } = await takePart(optionsOf(url, async () => new Download(1, () => {})));
    assert.deepEqual([code, finished], [1006, false]);
  });

  it('waits for a message that takes longer on its way than it would wait in silence', {
    timeout: 30_000,
  }, async (t) => {
    const parameters = 100_000;
    // A second at 400 KB/s; silence is over after half of one.
    const weights = { type: 'weights', version: 3, body: new Uint8Array(4 * parameters) } as const;
    const url = await coordinator(t, (message, send) => {
      if (message.type === 'hello') send({ ...WELCOME, parameters, heartbeatSeconds: 0.05 });
      if (message.type === 'ready') send(weights);
    });
    const proxy = await ProxyProcess.start();
    t.after(() => proxy.stop());
    proxy.aim(Number(new URL(url).port));
    await proxy.inflict(
      { kind: 'slowLink', bytesPerSecond: 400_000, latency: 0, during: undefined },
      'every',
      () => {},
    );
    let hasCome = false;
    const compute = Object.assign(computeOfVersion3([]), {
      receiveWeights: () => {
        hasCome = true;
        return () => {};
      },
    });
    await takePart(optionsOf(proxy.url, async () => compute));
    assert.ok(hasCome, 'the weights came');
  });

  it('computes the step that the work names with the version of the weights that it names', async (t) => {
    const steps: number[] = [];
    const url = await coordinator(t, (message, send) => {
      const ranges = [{ begin: 0, end: 1 }];
      if (message.type === 'hello') send(WELCOME);
      if (message.type === 'ready') send({ type: 'work', step: 7, version: 3, ranges });
      if (message.type === 'partials') send({ type: 'work', step: 8, version: 4, ranges });
    });
    const { code, reason } = await takePart(optionsOf(url, async () => computeOfVersion3(steps)));
    assert.deepEqual([code, steps], [closeCodes.unexpected.code, [7]]);
    assert.match(reason, /version 4/);
  });

  it('ends its connection, and tries again, if something unforeseen happens in its handling', async (t) => {
    const url = await coordinator(t, (message, send) => {
      if (message.type === 'hello') send(WELCOME);
      if (message.type === 'ready') send({ type: 'ping' });
    });
    const broken = computeOfVersion3([]);
    const prepare = async () => {
      setImmediate(() =>
        Object.defineProperty(broken, 'workersReady', {
          get: () => {
            throw new Error('a report that fails');
          },
        }),
      );
      return broken;
    };
    const { code, reason, finished } = await takePart(optionsOf(url, prepare));
    assert.deepEqual([code, finished], [1011, false]);
    assert.match(reason, /a report that fails/);
  });
});

/** Something on the network path that answers in the coordinator's place. @returns its URL */
async function stranger(t: TestContext, answer: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  await once(server, 'listening');
  server.on('connection', answer);
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the end of a connection', () => {
  const never = async () => new Download(1, () => {});

  it('is not final if a stranger on the network path may have caused it', async (t) => {
    const answers: Record<string, (socket: WebSocket) => void> = {
      text: (socket) => socket.send('text'),
      'a frame that is too long': (socket) => socket.send(Buffer.alloc(2000)),
      'a frame that is no challenge': (socket) => socket.send(Buffer.alloc(59)),
      'a challenge of another version': (socket) => socket.send(Buffer.from('LOCKSTEP\0\x09\x01'.padEnd(59), 'latin1')),
    };
    for (const code of [1000, 1009, ...Object.values(closeCodes).map((rule) => rule.code)]) {
      answers[`a close with ${code}`] = (socket) => socket.close(code, 'no');
    }
    for (const [what, answer] of Object.entries(answers)) {
      const { isFinal, finished } = await takePart(optionsOf(await stranger(t, answer), never));
      assert.deepEqual([isFinal, finished], [false, false], what);
    }
  });

  it('is final if the coordinator says so, in a message or over TLS', async (t) => {
    const tls = { cert: Buffer.from(CERTIFICATE), key: Buffer.from(PRIVATE_KEY) };
    for (const options of [undefined, tls]) {
      const refuse = (): never => {
        throw new ProtocolError('', { closeCode: 'unreliable' });
      };
      const url = await coordinator(t, refuse, options);
      const { code, isFinal } = await takePart(optionsOf(url, never, Buffer.from(CERTIFICATE)));
      assert.deepEqual([code, isFinal], [closeCodes.unreliable.code, true]);
    }
  });

  it('is final if the node finds out by itself that it is of no use', async (t) => {
    const url = await coordinator(t, (message, send) => {
      if (message.type === 'hello') send(WELCOME);
    });
    const prepare = async (): Promise<never> => {
      throw new ProtocolError('another model', { closeCode: 'numerics' });
    };
    const { code, isFinal } = await takePart(optionsOf(url, prepare));
    assert.deepEqual([code, isFinal], [closeCodes.numerics.code, true]);
  });

  it('is final if it is a close code over TLS', async (t) => {
    const tls = { cert: Buffer.from(CERTIFICATE), key: Buffer.from(PRIVATE_KEY) };
    const options = { host: '127.0.0.1', port: 0, tls, requiresLoopbackHost: true, maxFrameBytes: 1 };
    const server = await listenForWebSockets(options);
    t.after(() => {
      server.stop();
      return server.end(0);
    });
    server.serve({
      onConnect: () => {},
      onDisconnect: () => {},
      onTransport: (transport) => transport.close(closeCodes.unauthorized.code, ''),
      onFault: (error) => assert.fail(error),
    });
    const { code, isFinal } = await takePart(optionsOf(server.url, never, Buffer.from(CERTIFICATE)));
    assert.deepEqual([code, isFinal], [closeCodes.unauthorized.code, true]);
  });
});

describe('a node that is sent what has no place', () => {
  const rest = 100;
  const announced = PART_BYTES + rest;
  const whole = Buffer.alloc(PART_BYTES + 1);
  const part = (part: number, of: number, length: number): FromCoordinator => ({
    type: 'data',
    part,
    of,
    body: whole.subarray(0, length),
  });

  for (const [what, answers] of [
    ['a second welcome', { hello: [WELCOME, WELCOME] }],
    ['data before a welcome', { hello: [part(0, 2, PART_BYTES)] }],
    ['more parts than were announced', { hello: [WELCOME], needData: [part(0, 3, PART_BYTES)] }],
    ['a last part that is too long', { hello: [WELCOME], needData: [part(0, 2, PART_BYTES), part(1, 2, rest + 1)] }],
    ['a last part that is too short', { hello: [WELCOME], needData: [part(0, 2, PART_BYTES), part(1, 2, rest - 1)] }],
    ['a part twice', { hello: [WELCOME], needData: [part(0, 2, PART_BYTES), part(0, 2, PART_BYTES)] }],
    ['another part than the one that is due', { hello: [WELCOME], needData: [part(1, 2, rest)] }],
  ] as const) {
    it(`ends the connection: ${what}`, async (t) => {
      let requests = 0;
      const url = await coordinator(t, ({ type }, send) => {
        const messages: Partial<Record<FromNode['type'], readonly FromCoordinator[]>> = answers;
        if (type === 'needData' && ++requests > 1) return;
        for (const message of messages[type] ?? []) send(message);
      });
      const download = new Download(announced, () => {});
      const { code, isFinal, isOwn } = await takePart(optionsOf(url, async () => download));
      assert.deepEqual([code, isFinal, isOwn], [closeCodes.unexpected.code, true, true]);
      assert.equal(download.isComplete, false);
    });
  }

  it('ends the connection: data that it has not asked for', async (t) => {
    const url = await coordinator(t, ({ type }, send) => {
      if (type === 'hello') send(WELCOME);
      if (type === 'ready') send(part(0, 2, PART_BYTES));
    });
    assert.equal((await takePart(optionsOf(url, async () => computeOfVersion3([])))).code, closeCodes.unexpected.code);
  });

  it('ends the connection: a second order before the answer to the first', async (t) => {
    const steps: number[] = [];
    const work = { type: 'work', version: 3, ranges: [{ begin: 0, end: 1 }] } as const;
    const url = await coordinator(t, ({ type }, send) => {
      if (type === 'hello') send(WELCOME);
      if (type !== 'ready') return;
      send({ ...work, step: 1 });
      send({ ...work, step: 2 });
    });
    const { gradient, ...rest } = computeOfVersion3(steps);
    const slow = {
      ...rest,
      gradient: async (...args: Parameters<Compute['gradient']>) => {
        await new Promise((resolve) => setImmediate(resolve));
        return gradient(...args);
      },
    } as unknown as Compute;
    assert.equal((await takePart(optionsOf(url, async () => slow))).code, closeCodes.unexpected.code);
  });
});
