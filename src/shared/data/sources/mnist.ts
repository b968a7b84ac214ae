import { digestOf } from '../digest.ts';
import { MNIST_FILES, MNIST_SHAPE, shapeOfFiles } from '../mnist-files.ts';
import type { DataSource } from '../source.ts';

/** MNIST in the user's cache, fetched if it isn't there. */
export const MNIST: DataSource = {
  name: 'mnist',
  title: 'MNIST',
  licence: 'CC BY-SA 3.0',
  sha256: digestOf(MNIST_FILES),
  shape: shapeOfFiles(MNIST_FILES),
  classNames: MNIST_SHAPE.classNames,
  preparation: { kind: 'ink' },
  isComputed: false,
  // Loaded if it is needed: every command knows the sets' names, and few fetch one.
  open: async (options) => (await import('../mnist-cache.ts')).openCachedMnist(options),
};
