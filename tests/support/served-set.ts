// A small data set as a coordinator sends it to nodes that lack it.

import { digestOf } from '#src/shared/data/contents-digest.js';
import { shapeOf } from '#src/shared/data/dataset.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { Parts } from '#src/shared/data/parts.js';
import { modelOf } from '#src/shared/model/registry.js';
import type { CoordinatorMessage } from '#src/shared/wire/messages.js';
import { madeDataset } from './made-images.ts';

export interface ServedSet {
  /** What a coordinator that trains on it says. */
  readonly welcome: CoordinatorMessage<'welcome'>;
  readonly parts: readonly Uint8Array[];
}

export function servedSet(trained: number, tested: number): ServedSet {
  const set = madeDataset(trained, tested);
  const { samples, testSamples, ...sample } = shapeOf(set);
  const parts = new Parts(packedPieces(set));
  const layout = modelOf({ head: 'softmax', rbfJ: 0.1 });
  const body = Buffer.from(JSON.stringify(layout.spec));
  const config = { batch: 16, shardSize: 4, seed: 1, augment: 'none' } as const;
  return {
    welcome: {
      type: 'welcome',
      run: 'run',
      config,
      freeze: [],
      dataset: digestOf(set),
      dataBytes: parts.bytes,
      samples,
      testSamples,
      validationSamples: 0,
      sample,
      chunkSize: 200,
      parameters: layout.parameters,
      vectors: 1,
      heartbeatSeconds: 1,
      specBytes: body.length,
      body,
    },
    parts: Array.from({ length: parts.length }, (_, part) => parts.at(part) as Uint8Array),
  };
}
