// The coordinator and the node over a transport that isn't WebSocket: nothing of theirs depends on which one it is.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { numericsByName } from '#src/shared/engine/numerics/numerics.js';
import { selfTest } from '#src/shared/engine/self-test.js';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import type { Compute } from '#src/worker/node/compute.js';
import { takePart } from '#src/worker/node/session.js';
import { bareHub, helloTo } from '../../support/bare-hub.ts';
import { bareNode } from '../../support/bare-node.ts';
import { connectToPath, listenOnPath } from '../../support/unix-transport.ts';

const COMPUTE = { workersReady: 2, workersLost: 0, workerSamples: [0, 0] } as unknown as Compute;

test('a node takes part over a Unix domain socket until the run is over', { timeout: 300_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-unix-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'hub');
  const digests = { numerics: numericsByName(), selfTest: selfTest() };
  const { hub, events } = await bareHub(t, { server: await listenOnPath(path), digests });
  const joined = once(events, 'join');
  const ending = takePart({
    connect: () => connectToPath(path),
    token: undefined,
    identity: randomUUID(),
    name: 'host',
    threads: 2,
    prepare: async () => COMPUTE,
    onReady: () => {},
    leave: new AbortController().signal,
  });
  const [{ name, threads }] = await joined;
  assert.deepEqual([name, threads, hub.url], ['host', 2, `unix:${path}`]);

  // Other numerics are refused with the close code of the protocol.
  const stranger = await bareNode(await connectToPath(path));
  stranger.send(helloTo(randomUUID(), 1));
  assert.equal(await stranger.closed, 'numerics');

  await hub.close('runOver');
  const { code, finished } = await ending;
  assert.deepEqual([code, finished], [closeCodes.runOver.code, true]);
});
