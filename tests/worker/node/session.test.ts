// A node against a coordinator that says what a test has it say, over a real connection.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import { decodeFromNode, encode } from '#src/shared/wire/frames.js';
import { Link } from '#src/shared/wire/link.js';
import type { CoordinatorMessage, FromCoordinator, FromNode } from '#src/shared/wire/messages.js';
import { handshakeAsCoordinator } from '#src/shared/wire/perform-handshake.js';
import { listenForWebSockets } from '#src/shared/wire/ws-server.js';
import type { Compute } from '#src/worker/node/compute.js';
import { type SessionOptions, takePart } from '#src/worker/node/session.js';

const WELCOME: CoordinatorMessage<'welcome'> = {
  type: 'welcome',
  run: 'run',
  config: {},
  dataset: 'a'.repeat(64),
  samples: 8,
  testSamples: 8,
  chunkSize: 4,
  parameters: 2,
  heartbeatSeconds: 1,
};

type Answer = (message: FromNode, send: (message: FromCoordinator) => void) => void;

/** A coordinator without a token, which answers as the test says. @returns its URL */
async function coordinator(t: TestContext, answer: Answer): Promise<string> {
  const server = await listenForWebSockets({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
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
        onClose: () => {},
      });
    },
    onFault: (error) => assert.fail(error),
  });
  return server.url;
}

function optionsOf(url: string, prepare: SessionOptions['prepare']): SessionOptions {
  const { signal: leave } = new AbortController();
  const node = { token: undefined, ca: undefined, identity: randomUUID(), name: 'host', threads: 1 };
  return { ...node, url, prepare, onReady: () => {}, leave };
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
    const { code, finished } = await takePart(optionsOf(url, async () => undefined));
    assert.deepEqual([code, finished], [1006, false]);
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
