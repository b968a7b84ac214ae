import assert from 'node:assert/strict';
import { it } from 'node:test';
import { resolveDataFolder } from '#src/shared/data/data-folder.js';
import type { Dataset, Split } from '#src/shared/data/dataset.js';
import { loadMnist } from '#src/shared/data/mnist.js';

// Every run of a test copies its data set into a shared memory of its own: a part of MNIST keeps many runs small, and lets
// a short one cross from one epoch into the next.
const TRAIN = 5000;
const TEST = 2000;

/** MNIST; undefined if $MNIST_DIR isn't set. */
export const mnist: Dataset | undefined = process.env.MNIST_DIR
  ? await loadMnist(await resolveDataFolder({ env: process.env }))
  : undefined;

/** The first images of MNIST; undefined if $MNIST_DIR isn't set. */
export const realImages: Dataset | undefined = mnist && {
  ...mnist,
  train: firstOf(mnist.train, TRAIN),
  test: firstOf(mnist.test, TEST),
};

/** For tests of real images: false, or why they are skipped. */
export const skip = mnist ? false : '$MNIST_DIR is not set: name the folder that holds the MNIST files';

if (process.env.CI === 'true') {
  it('has the real images', () => assert.ok(mnist, '$MNIST_DIR must be set if CI=true'));
}

function firstOf({ inputs, targets }: Split, count: number): Split {
  const size = inputs.length / targets.length;
  return { inputs: inputs.slice(0, count * size), targets: targets.slice(0, count), count };
}
