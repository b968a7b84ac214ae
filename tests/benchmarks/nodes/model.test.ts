import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  aloneSeconds,
  bestNodes,
  bytesOneWay,
  efficiency,
  type Parts,
  relayedPeriod,
  starPeriod,
} from '../../../benchmarks/nodes/model.ts';

const parts: Parts = {
  parameters: 60_000,
  vectors: 3,
  sample: 1e-5,
  slowdown: 1.5,
  frame: 0.001,
  node: 0.002,
  own: 0.003,
};
const fast = { threads: 1, samples: 16_000, shards: 64, bytesPerSecond: Number.POSITIVE_INFINITY };
const slow = { ...fast, bytesPerSecond: 1e7 };

function assertClose(found: number, expected: number): void {
  assert.ok(Math.abs(found - expected) < 1e-9, `expected ${expected}, got ${found}`);
}

test('a period without a link is computing, frames and a round trip', () => {
  assertClose(starPeriod(parts, { ...fast, nodes: 4 }).total, 0.16 / 4 + 4 * 0.001 + 0.002 + 0.003 + 0.0002);
});

test('threads compute side by side, and frames do not', () => {
  const [one, four] = [1, 4].map((threads) => starPeriod(parts, { ...fast, threads, nodes: 2 }));
  assertClose((one?.compute ?? 0) / 4, four?.compute ?? 0);
  assertClose((one?.total ?? 0) - (one?.compute ?? 0), (four?.total ?? 0) - (four?.compute ?? 0));
});

test('no more threads work than there are shards', () => {
  const compute = (shards: number): number => starPeriod(parts, { ...fast, threads: 4, nodes: 2, shards }).compute;
  assertClose(compute(4), 2 * compute(8));
  assertClose(compute(8), compute(16));
});

test('the link of a star carries a frame to each node and as many back as it sends sums', () => {
  const without = (sums: number): number => starPeriod(parts, { ...fast, nodes: 4, sums }).total;
  const linked = (sums: number): number => starPeriod(parts, { ...slow, nodes: 4, sums }).total;
  assertClose(linked(1) - without(1), (8 * bytesOneWay(parts)) / 1e7);
  assertClose(linked(2) - without(2), (12 * bytesOneWay(parts)) / 1e7);
});

test('nodes that share processors take turns, and slow each other down', () => {
  const compute = (nodes: number): number => starPeriod(parts, { ...fast, nodes, processors: 2 }).compute;
  assertClose(compute(1), 0.16);
  assertClose(compute(2), (0.16 / 2) * 1.5);
  assertClose(compute(8), compute(2));
});

test('relayed sums take a state each way for each level of the tree', () => {
  const [eight, sixteen] = [8, 16].map((nodes) => relayedPeriod(parts, { ...slow, nodes }));
  const exchange = ({ total = 0, compute = 0 } = {}): number => total - compute;
  assertClose(exchange(sixteen) - exchange(eight), (2 * bytesOneWay(parts)) / 1e7 + 0.001 + 0.0002);
});

test('the best number of nodes has the shortest period', () => {
  const gigabit = { ...fast, bytesPerSecond: 1e8 };
  const best = bestNodes(parts, gigabit, { most: 64 });
  const total = (nodes: number): number => starPeriod(parts, { ...gigabit, nodes }).total;
  for (const nodes of [1, 2, 4, 8, 16, 32, 64]) assert.ok(total(best) <= total(nodes));
  assert.ok(bestNodes(parts, gigabit, { most: 64, period: relayedPeriod }) > best);
});

test('efficiency compares with as many machines that need no exchange', () => {
  const setting = { ...slow, nodes: 4 };
  assertClose(efficiency(parts, setting), aloneSeconds(parts, setting) / (4 * starPeriod(parts, setting).total));
});
