import { digestOf } from './digest.ts';
import { MNIST_FILES } from './mnist-files.ts';
import type { DataSource } from './source.ts';

/** MNIST in the user's cache, fetched if it isn't there. */
export const MNIST: DataSource = {
  name: 'mnist',
  title: 'MNIST',
  sha256: digestOf(MNIST_FILES),
  isComputed: false,
  // Loaded if it is needed: every command knows the sets' names, and few fetch one.
  open: async (options) => (await import('./mnist-cache.ts')).openCachedMnist(options),
};
