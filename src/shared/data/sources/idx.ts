import type { DatasetError } from '../../util/errors.ts';
import { printable } from '../../util/printable.ts';
import { type Arrays, numbered, type Split } from '../dataset.ts';
import { badFile, elements, idxHeaderBytes, parseIdx } from '../idx.ts';
import { DESCRIPTION, type Description, describe, type PartFiles } from '../idx-description.ts';
import { readIdxShape, readUnpacked } from '../idx-file.ts';
import { checkSize, MAX_SAMPLES } from '../limits.ts';
import { MNIST_FILES } from '../mnist-files.ts';
import type { Found, Place, SourceKind } from '../source.ts';

const ADVICE = 'Correct this file, or name another folder by --data.';
/** MNIST's files, packed or not. */
const MNIST_NAMES = MNIST_FILES.flatMap(({ name }) => [name, `${name}.gz`]);

/**
 * Four IDX files of bytes: images [count][height][width], and the class of each. They are named as MNIST's, or by dataset.json. Classes
 * are numbers without gaps.
 */
export const IDX: SourceKind = {
  title: `a folder of four IDX files that are named as MNIST's or by ${DESCRIPTION}`,
  accepts: ({ names = [] }) => [DESCRIPTION, ...MNIST_NAMES].some((name) => names.includes(name)),
  find,
};

/** One part's files, with what was read of them so far. */
interface Part {
  readonly images: string;
  /** [count, height, width] */
  readonly shape: readonly [number, number, number];
  /** [count] */
  readonly labels: Uint8Array;
}

async function find(place: Place): Promise<Found> {
  const description = await describe(place, ADVICE);
  const { classNames, isTransposed, name, licence, isDrawn } = description;
  const train = await findPart(description.train, description);
  const test = await findPart(description.test, description);
  const [samples, rows, columns] = train.shape;
  const [testSamples, ...testSize] = test.shape;
  if (testSize[0] !== rows || testSize[1] !== columns) {
    throw bad(
      test.images,
      `expected images of ${rows}x${columns} as in ${train.images}, but they have ${testSize.join('x')}.`,
    );
  }
  const [height, width] = isTransposed ? [columns, rows] : [rows, columns];
  const classes = classNames?.length ?? 1 + Math.max(highest(train.labels), highest(test.labels));
  const shape = { maps: 1, height, width, classes, inputs: 'uint8', targets: 'uint16', samples, testSamples } as const;
  checkSize(shape, place.path);
  return {
    shape,
    read: async (arrays) => ({
      ...{ maps: 1, height, width, classes, classNames: classNames ?? numbered(classes), name },
      ...(isDrawn && { preparation: { kind: 'ink' as const } }),
      ...(licence === undefined ? {} : { licence: printable(licence) }),
      train: await readPart(train, arrays, isTransposed),
      test: await readPart(test, arrays, isTransposed),
    }),
  };
}

async function findPart(files: PartFiles, { firstLabel, classNames }: Description): Promise<Part> {
  const { images, labels: labelsFile } = files;
  const shape = await checkedShape(images, 3);
  const labelsShape = await checkedShape(labelsFile, 1);
  const [count, height, width] = shape as [number, number, number];
  if (count === 0) throw bad(images, 'expected images, but it holds none.');
  if (count > MAX_SAMPLES) throw bad(images, `expected at most ${MAX_SAMPLES} images, but its header has ${count}.`);
  if (height === 0 || width === 0) throw bad(images, `expected images, but its header has ${height}x${width} pixels.`);
  if (labelsShape[0] !== count) {
    throw bad(labelsFile, `expected ${count} labels, one for each image of ${images}, but it has ${labelsShape[0]}.`);
  }
  const file = new Uint8Array(idxHeaderBytes(1) + count);
  const labels = parseIdx(await readUnpacked(labelsFile, file, ADVICE), labelsFile, ADVICE).data;
  const last = firstLabel + (classNames?.length ?? 256) - 1;
  const stray = labels.find((label) => label < firstLabel || label > last);
  if (stray !== undefined) {
    throw bad(labelsFile, `expected labels from ${firstLabel} to ${last}, by ${DESCRIPTION}, but it has ${stray}.`);
  }
  return { images, shape: [count, height, width], labels: labels.map((label) => label - firstLabel) };
}

async function readPart({ images, shape, labels }: Part, arrays: Arrays, isTransposed: boolean): Promise<Split> {
  const file = arrays.bytes(idxHeaderBytes(shape.length) + elements(shape));
  const { shape: actual, data } = parseIdx(await readUnpacked(images, file, ADVICE), images, ADVICE);
  if (actual.join() !== shape.join()) throw bad(images, 'was changed while it was read.');
  if (isTransposed) transpose(data, shape);
  const targets = arrays.uint16(labels.length);
  targets.set(labels);
  return { inputs: data, targets, count: labels.length };
}

/** Exchanges the rows and columns of each image. */
function transpose(images: Uint8Array, [, height, width]: Part['shape']): void {
  const size = height * width;
  const copy = new Uint8Array(size);
  for (let start = 0; start < images.length; start += size) {
    copy.set(images.subarray(start, start + size));
    for (let i = 0; i < size; i++) images[start + (i % width) * height + Math.floor(i / width)] = copy[i] as number;
  }
}

/** The shape in a file's header, if the file can hold as much: nothing is allocated for more. */
async function checkedShape(path: string, dimensions: number): Promise<readonly number[]> {
  const { shape, maxBytes } = await readIdxShape(path, ADVICE);
  if (shape.length !== dimensions) {
    throw bad(path, `expected an array of ${dimensions} dimensions, but it has ${shape.length} (${shape.join('x')}).`);
  }
  const expected = idxHeaderBytes(dimensions) + elements(shape);
  if (expected > maxBytes) {
    throw bad(
      path,
      `is truncated: expected ${expected} bytes for ${shape.join('x')}, but it can't hold more than ${maxBytes}.`,
    );
  }
  return shape;
}

function highest(labels: Uint8Array): number {
  return labels.reduce((most, label) => Math.max(most, label), 0);
}

function bad(file: string, problem: string): DatasetError {
  return badFile(file, problem, undefined, ADVICE);
}
