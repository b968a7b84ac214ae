import type { DatasetShape } from './dataset.ts';
import type { PublishedSet } from './published-set.ts';
import type { DataSource } from './source.ts';

/** The entry of a published set. */
export function publishedSet(set: PublishedSet): DataSource {
  const { name, title, licence, shape, classNames } = set;
  return {
    ...{ name, title, licence, shape, classNames },
    isComputed: false,
    // Loaded if it is needed: every command knows the sets' names, and few fetch one.
    open: async (options) => (await import('./fetch-published.ts')).openPublished(set, options),
  };
}

/** The shape of a set of images of bytes. */
export function imagesShape(
  [maps, height, width]: readonly [number, number, number],
  classNames: readonly string[],
  [samples, testSamples]: readonly [number, number],
): DatasetShape {
  const [inputs, targets] = ['uint8', 'uint16'] as const;
  return { maps, height, width, classes: classNames.length, inputs, targets, samples, testSamples };
}
