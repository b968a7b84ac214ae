// What a hub reports about its nodes, from what they send over real connections.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { describe, it } from 'node:test';
import type { NodeInfo } from '#src/coordinator/cluster/node-info.js';
import { bareHub, helloTo } from '../../../support/bare-hub.ts';
import { type BareNode, bareNode, pongOf } from '../../../support/bare-node.ts';

const MINUTE = 60_000;

type Opened = Awaited<ReturnType<typeof bareHub>>;

/** A node that takes part. */
async function join(
  { hub, events }: Opened,
  node: string,
  threads: number,
): Promise<{ bare: BareNode; info: NodeInfo }> {
  const bare = await bareNode(hub.url);
  bare.send(helloTo(node, threads));
  bare.send({ type: 'ready' });
  const [info] = (await once(events, 'join')) as [NodeInfo];
  return { bare, info };
}

describe('a node that reports', () => {
  it('has its figures kept, over its connections and by thread', async (t) => {
    const opened = await bareHub(t);
    const identity = randomUUID();
    const { bare, info } = await join(opened, identity, 2);
    assert.equal(info.figures.vitals, undefined);
    bare.send(pongOf([8, 16], { workersReady: 1, workersLost: 1 }));
    assert.deepEqual(await once(opened.events, 'workers'), ['host', 1]);
    assert.deepEqual(info.figures, {
      workersLost: 1,
      workerSamples: [8, 16],
      processorSeconds: 0,
      vitals: { memoryBytes: 5e7, eventLoopLagSeconds: 0.25 },
    });
    const left = once(opened.events, 'leave');
    bare.terminate();
    assert.deepEqual(await left, ['host', 'lost']);
    assert.equal(info.figures.vitals, undefined);
    const again = await join(opened, identity, 2);
    assert.equal(again.info.figures, info.figures);
    again.bare.send(pongOf([32, 0], { workersReady: 0 }));
    await once(opened.events, 'workers');
    assert.deepEqual(info.figures.workerSamples, [40, 16]);
  });

  it('is closed, and nothing of it is kept, if its report cannot be true', async (t) => {
    const opened = await bareHub(t);
    const bad = [pongOf([8]), pongOf([8, 8, 8]), pongOf(Array.from({ length: 1024 }, () => 8))];
    for (const message of [...bad, pongOf([8, 8], { workersReady: 3 })]) {
      const { bare, info } = await join(opened, randomUUID(), 2);
      const left = once(opened.events, 'leave');
      bare.send(message);
      assert.equal(await bare.closed, 'badResult');
      assert.deepEqual(await left, [info.name, 'closed']);
      assert.deepEqual(info.figures.workerSamples, [0, 0]);
    }
  });

  it('is closed if it reports before its hello', async (t) => {
    const { hub } = await bareHub(t);
    const bare = await bareNode(hub.url);
    bare.send(pongOf([8]));
    assert.equal(await bare.closed, 'unexpected');
  });
});

describe('a node that leaves', () => {
  it('has left if it said so', async (t) => {
    const opened = await bareHub(t);
    const { bare } = await join(opened, randomUUID(), 1);
    const left = once(opened.events, 'leave');
    bare.send({ type: 'leaving' });
    bare.terminate();
    assert.deepEqual(await left, ['host', 'left']);
  });

  it('is lost if it connects again', async (t) => {
    const opened = await bareHub(t);
    const identity = randomUUID();
    const { bare } = await join(opened, identity, 1);
    const left = once(opened.events, 'leave');
    await join(opened, identity, 1);
    assert.deepEqual(await left, ['host', 'lost']);
    assert.equal(await bare.closed, 'replaced');
  });

  it('is forgotten after five minutes, and not before; one that came back is not', async (t) => {
    const opened = await bareHub(t);
    const { events, clock, shardCounts } = opened;
    const stays = randomUUID();
    const gone = await join(opened, randomUUID(), 1);
    const returning = await join(opened, stays, 1);
    const first = once(events, 'leave');
    gone.bare.terminate();
    await first;
    clock.now = 4 * MINUTE;
    const left = once(events, 'leave');
    returning.bare.terminate();
    await left;
    clock.now = 5 * MINUTE - 1;
    const forgotten: string[] = [];
    events.on('forget', (name) => forgotten.push(name));
    // Two heartbeats of a node that is there are seen.
    const pings = { count: 0, seen: new EventEmitter() };
    const watching = await bareNode(opened.hub.url, {
      onMessage: ({ type }) => {
        if (type === 'ping' && ++pings.count === 2) pings.seen.emit('twice');
      },
    });
    watching.send(helloTo(randomUUID(), 1, 'watcher'));
    await once(pings.seen, 'twice');
    assert.deepEqual(forgotten, []);
    await join(opened, stays, 1);
    clock.now = 20 * MINUTE;
    // The one that only watched is still connected.
    await once(events, 'forget');
    assert.deepEqual([forgotten, [...shardCounts.keys()]], [['host'], ['host-2']]);
  });
});
