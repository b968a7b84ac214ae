import { CIFAR_SHAPE, CIFAR10_CLASSES, CIFAR10_LAYOUT, readCifarArchive } from '../cifar.ts';
import { imagesShape, publishedSet } from '../published.ts';

/** Small colour pictures of animals and vehicles (A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009). */
export const CIFAR10 = publishedSet({
  name: 'cifar10',
  title: 'CIFAR-10',
  licence: 'none stated; its author asks to be cited',
  classNames: CIFAR10_CLASSES,
  shape: imagesShape(CIFAR_SHAPE, CIFAR10_CLASSES, [50_000, 10_000]),
  mirrors: ['https://www.cs.toronto.edu/~kriz/'],
  files: [
    {
      name: 'cifar-10-binary.tar.gz',
      bytes: 170_052_171,
      sha256: 'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
    },
  ],
  read: ([archive]) => readCifarArchive(archive as Buffer, CIFAR10_LAYOUT),
});
