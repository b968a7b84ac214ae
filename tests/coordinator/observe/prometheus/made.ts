import type { NodeCounts } from '#src/coordinator/observe/prometheus/node-families.js';

export const info = {
  run: 'first',
  id: '0a1b2c3d4e5f6071',
  model: 'lenet5',
  dataset: 'mnist',
  backend: 'kernel',
  optimizer: 'adam',
  seed: 1,
  batch: 128,
  kernel: 'wasm',
  version: '0.1.0',
};

export function countsOf({ shards = { done: 30, late: 0, lost: 2 } }: Partial<NodeCounts>): NodeCounts {
  const assigned = { first: 30, retry: 2, duplicate: 1 };
  return { shards, assigned, workersLost: 1, processorSeconds: 2.5, workerSamples: [128, 112] };
}
