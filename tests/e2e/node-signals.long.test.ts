// A node that is asked to leave at any moment of connecting ends at once: the signal isn't lost.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { numericsByName } from '#src/shared/engine/numerics/numerics.js';
import { selfTest } from '#src/shared/engine/self-test.js';
import { bareHub } from '../support/bare-hub.ts';
import { type Program, startLockstep } from '../support/program.ts';
import { servedSet } from '../support/served-set.ts';

const HANG = { timeout: 120_000 };
/** 128 plus SIGTERM's number. */
const TERMINATED = 143;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-node-signals-'));
after(() => rmSync(folder, { recursive: true }));
const digests = { numerics: numericsByName(), selfTest: selfTest() };
const set = servedSet(600, 400);

function worker(t: TestContext, url: string): Program {
  const env = { MNIST_DIR: '', XDG_CACHE_HOME: mkdtempSync(join(folder, 'cache-')) };
  const program = startLockstep(['worker', '--connect', url, '--threads', '2', '--keep'], env);
  t.after(async () => {
    program.signal('SIGKILL');
    await program.ended;
  });
  return program;
}

/**
 * Something between a node and the coordinator that has `act` called when the node has connected (0) and with each of its pieces (1
 * and on), and passes nothing on before that has resolved.
 */
async function gate(t: TestContext, port: number, act: (piece: number) => Promise<void>): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer(async (node) => {
    const coordinator = connect(port, '127.0.0.1');
    for (const socket of [node, coordinator]) {
      sockets.add(socket);
      socket.setNoDelay(true).on('error', () => {});
    }
    coordinator.pipe(node);
    coordinator.once('close', () => node.destroy());
    let piece = 0;
    try {
      await act(piece);
      for await (const bytes of node) {
        await act(++piece);
        coordinator.write(bytes);
      }
    } catch {
      // The node has ended the connection.
    }
    coordinator.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function assertEnds({ ended }: Program): Promise<void> {
  const { status, stderr } = await ended;
  assert.equal(status, TERMINATED, stderr);
}

const MOMENTS = [
  'before the WebSocket',
  'at the upgrade',
  'in the handshake',
  'at hello',
  'when it asks for data',
  'while it receives data',
];

describe('a node that gets a SIGTERM', () => {
  for (const [moment, name] of MOMENTS.entries()) {
    it(`${name} leaves though all goes on well`, HANG, async (t) => {
      const { hub } = await bareHub(t, { digests, set });
      let node: Program | undefined;
      const url = await gate(t, Number(new URL(hub.url).port), async (piece) => {
        if (piece !== moment) return;
        node?.signal('SIGTERM');
        await node?.said(/^SIGTERM: leaving/);
      });
      node = worker(t, url);
      await assertEnds(node);
    });
  }

  it('while its threads start leaves', HANG, async (t) => {
    const { hub } = await bareHub(t, { digests, set });
    for (let delay = 0; delay < 500; delay += 100) {
      let requests = 0;
      let node: Program | undefined;
      // The data set is there a moment after the last request.
      const url = await gate(t, Number(new URL(hub.url).port), async (piece) => {
        if (piece < 4 || requests++ > 0) return;
        void sleep(delay).then(() => node?.signal('SIGTERM'));
      });
      node = worker(t, url);
      await assertEnds(node);
    }
  });

  it('while it waits to try again leaves', HANG, async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    const node = worker(t, `ws://127.0.0.1:${port}`);
    await node.said(/trying again/);
    node.signal('SIGTERM');
    await assertEnds(node);
  });

  it('at any moment after its start ends', HANG, async (t) => {
    const { hub } = await bareHub(t, { digests, set });
    for (let delay = 100; delay < 1500; delay += 200) {
      const node = worker(t, hub.url);
      await sleep(delay);
      node.signal('SIGTERM');
      const { status, stderr } = await node.ended;
      // None: the signal came before the command had begun, and ended the process itself.
      assert.ok(status === TERMINATED || status === null, `${status} ${stderr}`);
    }
  });
});
