import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NodeViews } from '#src/coordinator/observe/nodes/node-views.js';
import type { NodeView } from '#src/shared/live/feed.js';

const SHARD_SIZE = 8;

/** A node with two threads, whose counts and time a test changes. */
function watched() {
  const counts = {
    ms: 50_000,
    shards: { done: 0, late: 0, lost: 0 },
    processorSeconds: 100,
    memoryBytes: 5e6 as number | undefined,
  };
  const nodes = new NodeViews(SHARD_SIZE, () => counts.ms);
  nodes.watch('a', () => counts);
  nodes.onEvent({ kind: 'workers', node: 'a', counts: { ready: 2, starting: 0 } });
  const overall = (): NodeView => nodes.overall[0] ?? assert.fail();
  return { nodes, counts, overall };
}

describe('the nodes of a run', () => {
  test('have their means since they came, and their largest memory', () => {
    const { nodes, counts, overall } = watched();
    assert.equal(nodes.recent[0]?.processors, 0);
    Object.assign(counts, { ms: 52_000, shards: { done: 30, late: 10, lost: 5 } });
    Object.assign(counts, { processorSeconds: 104, memoryBytes: 9e6 });
    assert.equal(nodes.recent[0]?.memoryBytes, 9e6);
    counts.memoryBytes = 7e6;
    assert.equal(nodes.recent[0]?.memoryBytes, 7e6);
    const expected = { name: 'a', state: 'ready', ready: 2, starting: 0, done: 30, late: 10, lost: 5 };
    // What its process had used before doesn't count.
    assert.deepEqual(overall(), { ...expected, speed: (40 * SHARD_SIZE) / 2, processors: 2, memoryBytes: 9e6 });
  });

  test('keep them once they are gone, and go on when they come back', () => {
    const { nodes, counts, overall } = watched();
    Object.assign(counts, { ms: 52_000, shards: { done: 40, late: 0, lost: 0 } });
    overall();
    nodes.onEvent({ kind: 'gone', node: 'a', reason: 'closed' });
    Object.assign(counts, { ms: 60_000, memoryBytes: undefined });
    const { speed, state, memoryBytes } = overall();
    assert.deepEqual([speed, state, memoryBytes], [160, 'lost', 5e6]);
    nodes.onEvent({ kind: 'joined', node: 'a' });
    Object.assign(counts, { ms: 62_000, shards: { done: 50, late: 0, lost: 0 } });
    assert.deepEqual([overall().speed, overall().state], [100, 'ready']);
    nodes.onEvent({ kind: 'gone', node: 'a', reason: 'left' });
    assert.equal(overall().state, 'left');
    nodes.forget('a');
    assert.deepEqual(nodes.overall, []);
  });
});
