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

it('a node that replaces one of its host, which has been gone for some seconds, has its name', async (t) => {
  const { hub, events, clock } = await bareHub(t);
  const join = async () => {
    const node = await bareNode(hub.url);
    const joined = once(events, 'join');
    node.send(helloTo(randomUUID(), 1, 'pod-0'));
    node.send({ type: 'ready' });
    const [{ name }] = await joined;
    return { name, leave: () => node.terminate() };
  };
  const [first, second] = [await join(), await join()];
  assert.deepEqual([first.name, second.name], ['pod-0', 'pod-0-2']);
  const left = once(events, 'leave');
  first.leave();
  await left;
  clock.now += 4_999;
  assert.equal((await join()).name, 'pod-0-3', 'it may come back');
  clock.now += 1;
  assert.equal((await join()).name, 'pod-0');
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
