// A node whose connections end in ways that a stranger on the network path can cause.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runNode } from '#src/library/node.js';
import { NodeError, UsageError } from '#src/shared/util/errors.js';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import type { Transport } from '#src/shared/wire/transport.js';
import { listenForWebSockets } from '#src/shared/wire/ws-server.js';
import { bareHub } from '../support/bare-hub.ts';

function optionsOf(url: string, notices: string[]) {
  return {
    url,
    token: undefined,
    ca: undefined,
    threads: 1,
    name: 'host',
    data: undefined,
    env: {},
    keep: false,
    stop: new AbortController().signal,
    onEvent: (event: { readonly kind: string; readonly message?: string }) => {
      if (event.message !== undefined) notices.push(event.message);
    },
  };
}

it('a node connects again whatever was said before the handshake, and prints each reason when it changes', async (t) => {
  const ends: ((transport: Transport) => void)[] = [
    (transport) => transport.close(closeCodes.numerics.code, ''),
    (transport) => transport.close(closeCodes.numerics.code, ''),
    (transport) => transport.close(1000, '\u001b[2J'),
    (transport) => transport.send(Buffer.from('no challenge')),
  ];
  const server = await listenForWebSockets({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    requiresLoopbackHost: true,
    maxFrameBytes: 1000,
  });
  t.after(() => {
    server.stop();
    return server.end(0);
  });
  const stop = new AbortController();
  server.serve({
    onConnect: () => {},
    onDisconnect: () => {},
    onTransport: (transport) => {
      const end = ends.shift();
      if (end === undefined) stop.abort();
      else end(transport);
    },
    onFault: (error) => assert.fail(error),
  });
  const notices: string[] = [];
  assert.equal(await runNode({ ...optionsOf(server.url, notices), stop: stop.signal }), 'stopped');
  assert.equal(notices.length, 3, notices.join(' '));
  assert.match(notices[0] as string, /another build.*\(4404\)\); trying again/);
  assert.match(notices[1] as string, /1000 \?\[2J/);
  assert.match(notices[2] as string, /12 bytes.*\(4400\)\); trying again/);
});

it('a node ends if the coordinator itself says that its build is another one', async (t) => {
  const { hub } = await bareHub(t);
  const notices: string[] = [];
  await assert.rejects(runNode(optionsOf(hub.url, notices)), (error) => {
    assert.ok(error instanceof NodeError);
    assert.match(error.message, /another build.*\(4404\)/);
    return true;
  });
  assert.deepEqual(notices, []);
});

it('a node needs a token for a coordinator beyond loopback', async () => {
  for (const url of [
    'ws://10.0.0.1:9465',
    'wss://trainer.example:9465',
    'ws://localhost.example:1',
    'ws://[2001:db8::1]:1',
  ]) {
    await assert.rejects(runNode(optionsOf(url, [])), UsageError, url);
  }
});
