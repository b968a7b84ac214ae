// A small data set as a coordinator sends it to nodes that lack it.
import { digestOf, sha256 } from '#src/shared/data/digest.js';
import { elements, idxHeaderBytes, writeIdxHeader } from '#src/shared/data/idx.js';
import { MNIST_FILES } from '#src/shared/data/mnist-files.js';
import { partsOf } from '#src/shared/data/parts.js';
import { modelOf } from '#src/shared/model/registry.js';
import type { CoordinatorMessage } from '#src/shared/wire/messages.js';
import { madeDataset } from './made-images.ts';

export interface ServedSet {
  /** What a coordinator that trains on it says. */
  readonly welcome: CoordinatorMessage<'welcome'>;
  readonly parts: readonly Uint8Array[];
}

export function servedSet(trainSamples: number, testSamples: number): ServedSet {
  const set = madeDataset(trainSamples, testSamples);
  const { train, test, height, width } = set;
  const contents = [
    { shape: [train.count, height, width], data: train.images },
    { shape: [train.count], data: train.labels },
    { shape: [test.count, height, width], data: test.images },
    { shape: [test.count], data: test.labels },
  ];
  const files = contents.map(({ shape, data }, i) => {
    const file = new Uint8Array(idxHeaderBytes(shape.length) + elements(shape));
    writeIdxHeader(file, shape);
    file.set(data, idxHeaderBytes(shape.length));
    return { name: MNIST_FILES[i as 0 | 1 | 2 | 3].name, sha256: sha256(file) };
  });
  const config = { head: 'softmax', rbfJ: 0.1, batch: 16, shardSize: 4, seed: 1, augment: 'none' } as const;
  return {
    welcome: {
      type: 'welcome',
      run: 'run',
      config,
      dataset: digestOf(files),
      samples: trainSamples,
      testSamples,
      chunkSize: 200,
      parameters: modelOf(config).parameters,
      heartbeatSeconds: 1,
    },
    parts: partsOf(set),
  };
}
