import { type Contents, type DatasetShape, numbered, type SampleShape } from './dataset.ts';

/** The samples of MNIST, and those of every set in its form: synthetic digits, prepared pictures. */
export const MNIST_SHAPE: SampleShape & Pick<Contents, 'classNames'> = {
  maps: 1,
  height: 28,
  width: 28,
  classes: 10,
  classNames: numbered(10),
};

/** The numbers of its samples. */
export const MNIST_COUNTS = { train: 60_000, test: 10_000 } as const;

export interface DataFile {
  /** Without the .gz that a packed copy carries. */
  readonly name: string;
  /** SHA-256 of the unpacked bytes. */
  readonly sha256: string;
  readonly shape: readonly number[];
}

/** Training images and labels, then test images and labels: the order of the data set's digest. */
export type DataFiles = readonly [DataFile, DataFile, DataFile, DataFile];

const { height, width } = MNIST_SHAPE;

export const MNIST_FILES: DataFiles = [
  {
    name: 'train-images-idx3-ubyte',
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
    shape: [60000, height, width],
  },
  {
    name: 'train-labels-idx1-ubyte',
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
    shape: [60000],
  },
  {
    name: 't10k-images-idx3-ubyte',
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
    shape: [10000, height, width],
  },
  {
    name: 't10k-labels-idx1-ubyte',
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
    shape: [10000],
  },
];

/** The shape of a set in four such files. */
export function shapeOfFiles([{ shape: train }, , { shape: test }]: DataFiles): DatasetShape {
  const [samples = 0, rows = 0, columns = 0] = train;
  const { maps, classes } = MNIST_SHAPE;
  const [inputs, targets] = ['uint8', 'uint16'] as const;
  return { maps, height: rows, width: columns, classes, inputs, targets, samples, testSamples: test[0] ?? 0 };
}
