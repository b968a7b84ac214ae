// A data set in the four arrays that users of Keras and scikit-learn save: x_train, y_train, x_test and y_test.
import { type Arrays, type DatasetShape, type Inputs, numbered, type Split } from './dataset.ts';
import { checkSize, MAX_CLASSES, MAX_SAMPLES } from './limits.ts';
import type { Found, ReadingOptions } from './source.ts';
import { badArray, elementsIn, elementsOf, isFloat, type StoredArray } from './stored-array.ts';

export const ARRAY_NAMES = ['x_train', 'y_train', 'x_test', 'y_test'] as const;
export type FourArrays = readonly [StoredArray, StoredArray, StoredArray, StoredArray];

/** Maps of a picture: grey, grey with alpha, colours, colours with alpha. A longer axis is no channel. */
const MAX_CHANNELS = 4;
/** Heads whose targets are numbers. */
const NUMBER_HEADS: readonly (string | undefined)[] = ['mse', 'sigmoid'];

/**
 * The data set of four arrays, in the order of ARRAY_NAMES.
 * @throws DatasetError if they don't fit together, or can't be samples and targets
 */
export async function findArrays(arrays: FourArrays, path: string, { head }: ReadingOptions): Promise<Found> {
  const [xTrain, yTrain, xTest, yTest] = arrays;
  checkCounts(xTrain, yTrain);
  checkCounts(xTest, yTest);
  if (xTest.shape.slice(1).join() !== xTrain.shape.slice(1).join() || xTest.type !== xTrain.type) {
    const texts = [xTest, xTrain].map(textOf).join(', not ');
    throw badArray(xTest.path, `expected samples as in ${xTrain.path}, but they are ${texts}`);
  }
  const { maps, height, width, strides } = sampleOf(xTrain);
  const inputs = xTrain.type === 'u8' ? 'uint8' : 'float32';
  const [samples, testSamples] = [countOf(xTrain), countOf(xTest)];
  const form = { maps, height, width, inputs, samples, testSamples } as const;
  checkSize({ ...form, classes: 1, targets: 'uint16' }, path);
  const { kind, classes, labels } = targetsOf(await summaryOf(yTrain), await summaryOf(yTest), head);
  const shape: DatasetShape = { ...form, classes, targets: kind };
  checkSize(shape, path);
  const readSplit = async (x: StoredArray, y: StoredArray, own: Uint16Array | undefined, into: Arrays) => {
    const target = inputs === 'uint8' ? into.bytes(elementsOf(x)) : into.float32(elementsOf(x));
    await readInto(target, x, strides);
    return { inputs: target, targets: await readTargets(y, own, into), count: countOf(x) } satisfies Split;
  };
  return {
    shape,
    read: async (into) => ({
      ...{ maps, height, width, classes, classNames: numbered(classes) },
      train: await readSplit(xTrain, yTrain, labels?.[0], into),
      test: await readSplit(xTest, yTest, labels?.[1], into),
    }),
  };
}

function countOf({ shape: [count = 0] }: StoredArray): number {
  return count;
}

function checkCounts(x: StoredArray, y: StoredArray): void {
  const count = countOf(x);
  if (elementsOf(x) === 0 || elementsOf(y) === 0)
    throw badArray(x.path, 'expected samples and targets, but there are none');
  if (count > MAX_SAMPLES) throw badArray(x.path, `expected at most ${MAX_SAMPLES} samples, but it has ${count}`);
  if (x.shape.length > 4) throw badArray(x.path, `expected at most 4 dimensions, but it is ${textOf(x)}`);
  if (countOf(y) === count && y.shape.length <= 2) return;
  throw badArray(y.path, `expected targets [${count}] or [${count}, outputs] for ${x.path}, but it is ${textOf(y)}`);
}

/** What a sample is, and for each axis of the array how far apart its neighbours are in [count][maps][height][width]. */
function sampleOf(x: StoredArray) {
  const [, a = 1, b = 1, c = 1] = x.shape;
  switch (x.shape.length) {
    case 1:
    case 2:
      return { maps: a, height: 1, width: 1, strides: [a, 1].slice(0, x.shape.length) };
    case 3:
      return { maps: 1, height: a, width: b, strides: [a * b, b, 1] };
    default:
      return isChannelsLast(x)
        ? { maps: c, height: a, width: b, strides: [a * b * c, b, 1, a * b] }
        : { maps: a, height: b, width: c, strides: [a * b * c, b * c, c, 1] };
  }
}

/** Where the channels of [count, a, b, c] are. Features without a place have the form [count, features, 1, 1]. */
function isChannelsLast(x: StoredArray): boolean {
  const [, a = 1, b = 1, c = 1] = x.shape;
  if (b === 1 && c === 1) return false;
  const [isFirst, isLast] = [a <= MAX_CHANNELS, c <= MAX_CHANNELS];
  if (isFirst !== isLast) return isLast;
  throw badArray(
    x.path,
    `expected pictures of 1 to ${MAX_CHANNELS} channels, which are its second or its last axis, but it is ${textOf(x)}. ` +
      'A packed data set says which',
  );
}

/** What targets hold. */
interface Summary {
  readonly array: StoredArray;
  readonly columns: number;
  readonly isWhole: boolean;
  readonly min: number;
  readonly max: number;
  readonly isOneHot: boolean;
  /** The number of each row as a class, or where its 1 is. */
  readonly labels: Uint16Array;
}

async function summaryOf(y: StoredArray): Promise<Summary> {
  const rows = countOf(y);
  const columns = elementsOf(y) / rows;
  const labels = new Uint16Array(rows);
  const ones = new Uint8Array(columns > 1 ? rows : 0);
  let [isWhole, isBinary, min, max, at] = [true, true, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  for await (const values of elementsIn(y)) {
    for (let i = 0; i < values.length; i++, at++) {
      const value = values[i] as number;
      isWhole &&= Number.isInteger(value);
      min = Math.min(min, value);
      max = Math.max(max, value);
      if (columns === 1) {
        labels[at] = value;
        continue;
      }
      const row = y.isColumnMajor ? at % rows : Math.floor(at / columns);
      isBinary &&= value === 0 || value === 1;
      if (value !== 1) continue;
      ones[row] = Math.min(2, (ones[row] as number) + 1);
      labels[row] = y.isColumnMajor ? Math.floor(at / rows) : at % columns;
    }
  }
  const isOneHot = columns > 1 && isBinary && ones.every((count) => count === 1);
  return { array: y, columns, isWhole, min, max, isOneHot, labels };
}

/** Classes, if targets are whole numbers from 0 on or one-hot rows; else numbers. */
function targetsOf(train: Summary, test: Summary, head: string | undefined) {
  const { array, columns } = train;
  if (test.columns !== columns || columns > MAX_CLASSES) {
    throw badArray(
      test.array.path,
      `expected the same number of outputs for training and test, at most ${MAX_CLASSES}, but they are ${textOf(array)} and ${textOf(test.array)}`,
    );
  }
  const min = Math.min(train.min, test.min);
  const classes = columns > 1 ? columns : 1 + Math.max(train.max, test.max);
  const labels = [train.labels, test.labels] as const;
  const numbers = { kind: 'float32', classes: columns, labels: undefined } as const;
  if (NUMBER_HEADS.includes(head)) return numbers;
  const areClasses = columns > 1 ? train.isOneHot && test.isOneHot : train.isWhole && test.isWhole;
  const isInRange = min >= 0 && classes <= MAX_CLASSES;
  if (areClasses && isInRange) return { kind: 'uint16', classes, labels } as const;
  if (columns > 1 || isFloat(array) || isFloat(test.array)) return numbers;
  throw badArray(
    array.path,
    `expected classes from 0 to ${MAX_CLASSES - 1}, but they are ${min} to ${classes - 1}. Numbers to be told are saved as floats`,
  );
}

async function readTargets(y: StoredArray, labels: Uint16Array | undefined, into: Arrays) {
  if (labels === undefined) {
    const targets = into.float32(elementsOf(y));
    await readInto(targets, y, y.shape.length > 1 ? [elementsOf(y) / countOf(y), 1] : [1]);
    return targets;
  }
  const targets = into.uint16(labels.length);
  targets.set(labels);
  return targets;
}

/** Fills `target` with an array's elements. @param strides for each of its axes how far apart neighbours are in `target` */
async function readInto(target: Inputs, array: StoredArray, strides: readonly number[]): Promise<void> {
  // The axis that changes fastest in the file comes first.
  const axes = array.shape.map((size, axis) => ({ size, stride: strides[axis] as number }));
  if (!array.isColumnMajor) axes.reverse();
  const isInPlace = axes.every(({ stride }, i) => stride === axes.slice(0, i).reduce((all, { size }) => all * size, 1));
  const counts = axes.map(() => 0);
  let at = 0;
  for await (const values of elementsIn(array)) {
    if (isFloat(array)) refuseNotFinite(values, array.path);
    if (isInPlace) {
      target.set(values, at);
      at += values.length;
      continue;
    }
    for (let i = 0; i < values.length; i++) {
      target[at] = values[i] as number;
      for (let axis = 0; axis < axes.length; axis++) {
        const { size, stride } = axes[axis] as { size: number; stride: number };
        at += stride;
        const count = (counts[axis] as number) + 1;
        counts[axis] = count;
        if (count < size) break;
        counts[axis] = 0;
        at -= size * stride;
      }
    }
  }
}

function refuseNotFinite(values: ArrayLike<number>, path: string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(Math.fround(values[i] as number)))
      throw badArray(path, "expected numbers, but one of its floats isn't finite, or isn't as a float of 32 bits");
  }
}

function textOf({ type, shape }: StoredArray): string {
  return `${type} [${shape.join(', ')}]`;
}
