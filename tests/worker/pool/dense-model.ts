import { compileKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import type { BackendName } from '#src/worker/pool/backend-name.js';
import { placeInMemory } from '#src/worker/pool/sample-set.js';
import type { LocalPoolOptions } from '#src/worker/pool/setup.js';
import { madeDataset } from '../../support/made-images.ts';
import { layoutFrom } from '../../support/models.ts';

const { train, test } = madeDataset(64, 16);

/** A pool of a small model without convolutions. */
export function optionsFor(backend: BackendName): LocalPoolOptions {
  const memory = new SharedMemory();
  const [batch, shardSize] = [16, 8];
  return {
    workers: 2,
    memory,
    kernel: compileKernel(),
    layout: layoutFrom([{ kind: 'dense', name: 'hidden', units: 4 }, { kind: 'relu' }, { kind: 'dense', units: 10 }]),
    backend,
    train: placeInMemory(memory, train),
    test: placeInMemory(memory, test),
    batch,
    shardSize,
    sampler: { samples: train.count, batch, seed: 1, augment: 'none' },
  };
}
