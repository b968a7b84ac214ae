// How much is kept of nodes that come and go.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { it } from 'node:test';
import { bareHub, helloTo } from '../../support/bare-hub.ts';
import { bareNode } from '../../support/bare-node.ts';

it('at most 64 nodes that are gone are remembered, the last ones', { timeout: 300_000 }, async (t) => {
  const { hub, events, shardCounts } = await bareHub(t);
  const forgotten: string[] = [];
  events.on('forget', (name) => forgotten.push(name));
  for (let i = 0; i < 70; i++) {
    const node = await bareNode(hub.url);
    const [joined, left] = [once(events, 'join'), once(events, 'leave')];
    node.send(helloTo(randomUUID(), 1, `host-${i}`));
    node.send({ type: 'ready' });
    await joined;
    node.terminate();
    await left;
  }
  const expected = Array.from({ length: 5 }, (_, i) => `host-${i}`);
  assert.deepEqual(forgotten.slice(0, 5), expected);
  assert.ok(shardCounts.size <= 65, `${shardCounts.size}`);
});

it('a long name is cut', async (t) => {
  const { hub, events } = await bareHub(t);
  for (const name of ['n'.repeat(255), '𝄞'.repeat(100)]) {
    const node = await bareNode(hub.url);
    const joined = once(events, 'join');
    node.send(helloTo(randomUUID(), 1, name));
    node.send({ type: 'ready' });
    const [info] = await joined;
    assert.equal(info.name, [...name].slice(0, 63).join(''));
  }
});

it('a node is refused beyond 256 that are connected', { timeout: 300_000 }, async (t) => {
  const { hub } = await bareHub(t);
  let welcomed = 0;
  const join = async () => {
    const node = await bareNode(hub.url, { onMessage: ({ type }) => (type === 'welcome' ? welcomed++ : 0) });
    node.send(helloTo(randomUUID(), 1));
    return node;
  };
  for (let i = 0; i < 256; i++) await join();
  assert.equal(await (await join()).closed, 'tooMany');
  assert.equal(welcomed, 256);
});
