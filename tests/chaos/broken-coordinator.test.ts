import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { startLockstep } from '../support/program.ts';

test('a worker tries again where the bytes of a handshake are damaged on the way', { timeout: 300_000 }, async (t) => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const worker = startLockstep(['worker', '--connect', `ws://127.0.0.1:${port}`, '--threads', '1']);
  t.after(() => worker.signal('SIGKILL'));
  // No frame of a WebSocket begins with such a byte.
  for (let visits = 0; visits < 3; visits++) {
    const [, request] = await Promise.race([once(server, 'connection'), worker.ended.then(() => [])]);
    assert.ok(request !== undefined, 'the worker ended');
    request.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  }
  worker.signal('SIGTERM');
  const { status, stderr } = await worker.ended;
  assert.equal(status, 143, stderr);
  assert.doesNotMatch(stderr, /\bat .*\.js:\d+/);
});
