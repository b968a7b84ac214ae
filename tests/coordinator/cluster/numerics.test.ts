// Which nodes a coordinator takes by what their operations compute, over real sockets.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { connectWebSocket } from '#src/shared/wire/ws-transport.js';
import { bareHub, helloTo } from '../../support/bare-hub.ts';
import { bareNode } from '../../support/bare-node.ts';

const [A, B, C] = ['a', 'b', 'c'].map((digit) => digit.repeat(16)) as [string, string, string];
const SELF_TEST = 'd'.repeat(64);
const digests = { numerics: { conv: A, tree: B }, selfTest: SELF_TEST };

const connectTo = (url: string) =>
  connectWebSocket(url, { ca: undefined, maxFrameBytes: 1 << 20, signal: new AbortController().signal });

test('a node joins whose operations are those of the run, whatever others it has', { timeout: 300_000 }, async (t) => {
  const { hub, events } = await bareHub(t, { digests });
  const node = await bareNode(await connectTo(hub.url));
  const joined = once(events, 'join');
  node.send({ ...helloTo(randomUUID(), 1), numerics: { conv: A, tree: B, dropout: C }, selfTest: SELF_TEST });
  node.send({ type: 'ready' });
  await joined;
});

test('a node is refused whose operations differ or are missing', { timeout: 300_000 }, async (t) => {
  const { hub } = await bareHub(t, { digests });
  for (const numerics of [{ conv: A, tree: C }, { conv: A }, {}, { conv: C, tree: B }]) {
    const node = await bareNode(await connectTo(hub.url));
    node.send({ ...helloTo(randomUUID(), 1), numerics, selfTest: SELF_TEST });
    assert.equal(await node.closed, 'numerics', JSON.stringify(numerics));
  }
  assert.equal(hub.counts.rejected.get('numerics'), 4);
});

test('the coordinator says what differs', { timeout: 300_000 }, async (t) => {
  const { hub, events } = await bareHub(t, { digests });
  for (const [own, why] of [
    [{ numerics: { conv: A, tree: C }, selfTest: SELF_TEST }, 'its operation tree is cccccccccccc, not bbbbbbbbbbbb'],
    [{ numerics: { tree: B }, selfTest: SELF_TEST }, 'its operation conv is missing'],
    [{ numerics: digests.numerics, selfTest: 'e'.repeat(64) }, 'its self-test is eeeeeeeeeeee, not dddddddddddd'],
  ] as const) {
    const refused = once(events, 'refused');
    const node = await bareNode(await connectTo(hub.url));
    node.send({ ...helloTo(randomUUID(), 1, 'host'), ...own });
    assert.deepEqual(await refused, ['host', why]);
  }
});
