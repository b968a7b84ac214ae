import { checkClasses } from '../../shared/data/check-classes.ts';
import {
  type Contents,
  type Dataset,
  type Inputs,
  inputKindOf,
  numbered,
  type Split,
  shapeOf,
} from '../../shared/data/dataset.ts';
import { identify } from '../../shared/data/identify.ts';
import { checkSize, MAX_CLASSES, MAX_SAMPLES } from '../../shared/data/limits.ts';
import { openDataset as openFound } from '../../shared/data/open.ts';
import { packedPieces } from '../../shared/data/pack.ts';
import type { ReadingKey, ReadingOptions } from '../../shared/data/source.ts';
import { type Shape, shapeSize, shapeText, vector } from '../../shared/model/shape.ts';
import { DatasetError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { type Environment, NO_ENVIRONMENT } from './environment.ts';

/** Samples with their classes or numbers. */
export interface Samples {
  /** Values [count][maps][height][width]: bytes, which a model sees as 0 to 1, or floats, which it sees as they are. */
  readonly inputs: Uint8Array | Uint8ClampedArray | Float32Array;
  /** The class of each sample, from 0, [count]; for data sets with `classes`. */
  readonly labels?: ArrayLike<number>;
  /** The numbers that the model is to tell, [count][outputs]; for data sets with `outputs`. */
  readonly targets?: Float32Array;
}

/** One part of a data set: all at once, or in batches that come one after the other. */
export type Part = Samples | Iterable<Samples> | AsyncIterable<Samples>;

/** A data set in memory. */
export interface DatasetDefinition {
  /** In run.json, metrics and messages (default: `data`). */
  readonly name?: string;
  /** One sample: maps, rows and columns, or so many features. */
  readonly shape: Shape | number;
  /** The classes' names, or their number. */
  readonly classes?: readonly string[] | number;
  /** In place of classes: the names of the numbers that the model is to tell, or how many there are. */
  readonly outputs?: readonly string[] | number;
  readonly train: Part;
  readonly test: Part;
  /** Under what terms it is published. */
  readonly licence?: string;
}

/**
 * Makes a data set of arrays, or of batches that come one after the other. It is copied, checked and identified by the SHA-256 of its
 * contents, by which a run can be resumed.
 * @returns what `data` of `train` and `evaluate` takes
 * @throws DatasetError if samples, labels and shape don't fit together, or a class has no training sample
 */
export async function defineDataset(definition: DatasetDefinition): Promise<Dataset> {
  const { name = 'data', shape, classes, outputs, train, test, licence } = definition;
  const form = typeof shape === 'number' ? vector(shape) : shape;
  if ((classes === undefined) === (outputs === undefined)) {
    throw new DatasetError(
      `${name}: expected either classes or outputs, but got ${classes === undefined ? 'neither' : 'both'}.`,
    );
  }
  const named = classes ?? outputs ?? 0;
  const classNames = typeof named === 'number' ? numbered(checkedCount(named, name)) : named;
  const context = { name, form, classes: classNames.length, areClasses: classes !== undefined };
  const contents: Contents = {
    ...form,
    classes: classNames.length,
    classNames,
    ...(licence !== undefined && { licence }),
    train: await splitOf(train, { ...context, part: 'train' }),
    test: await splitOf(test, { ...context, part: 'test' }),
  };
  if (inputKindOf(contents.train) !== inputKindOf(contents.test)) {
    throw new DatasetError(
      `${name}: expected inputs of train and test of one type, but one are bytes and the other floats.`,
    );
  }
  checkSize(shapeOf(contents), name);
  const dataset = identify({ ...contents, name }, name);
  checkClasses(dataset, name);
  return dataset;
}

function checkedCount(count: number, name: string): number {
  if (Number.isInteger(count) && count >= 1 && count <= MAX_CLASSES) return count;
  throw new DatasetError(`${name}: expected 1 to ${MAX_CLASSES} classes or outputs, but got ${count}.`);
}

interface PartContext {
  readonly name: string;
  readonly part: 'train' | 'test';
  readonly form: Shape;
  readonly classes: number;
  readonly areClasses: boolean;
}

async function splitOf(part: Part, context: PartContext): Promise<Split> {
  const batches: Split[] = [];
  if (isSamples(part)) batches.push(batchOf(part, context));
  else for await (const samples of part) batches.push(batchOf(samples, context));
  const first = batches[0];
  const count = batches.reduce((sum, batch) => sum + batch.count, 0);
  const { name, part: title } = context;
  if (first === undefined || count === 0)
    throw new DatasetError(`${name}: expected samples in ${title}, but there are none.`);
  if (count > MAX_SAMPLES)
    throw new DatasetError(`${name}: expected at most ${MAX_SAMPLES} samples in ${title}, but got ${count}.`);
  if (batches.some(({ inputs }) => inputs.constructor !== first.inputs.constructor)) {
    throw new DatasetError(`${name}: expected inputs of one type in ${title}, but some are bytes and others floats.`);
  }
  return {
    count,
    inputs: joined([first.inputs, ...batches.slice(1).map(({ inputs }) => inputs)]),
    targets: joined([first.targets, ...batches.slice(1).map(({ targets }) => targets)]),
  };
}

function isSamples(part: Part): part is Samples {
  return 'inputs' in part;
}

function batchOf({ inputs, labels, targets }: Samples, context: PartContext): Split {
  const { name, part, form, classes, areClasses } = context;
  const refuse = (problem: string): never => {
    throw new DatasetError(`${name}: ${problem} (${part}).`);
  };
  const values: Inputs =
    inputs instanceof Float32Array ? inputs : new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.length);
  const count = values.length / shapeSize(form);
  if (!Number.isInteger(count)) {
    refuse(`expected samples of ${shapeText(form)}, ${shapeSize(form)} values each, but got ${values.length} values`);
  }
  if (values instanceof Float32Array && !values.every(Number.isFinite))
    refuse('expected finite inputs, but one is not');
  if (areClasses) {
    const given = labels ?? refuse('expected labels, but got none');
    if (given.length !== count) refuse(`expected ${count} labels, one for each sample, but got ${given.length}`);
    const wrong = Array.prototype.findIndex.call(given, (k: number) => !(Number.isInteger(k) && k >= 0 && k < classes));
    if (wrong >= 0) refuse(`expected labels from 0 to ${classes - 1}, but sample ${wrong} has ${given[wrong]}`);
    return { inputs: values, targets: Uint16Array.from(given), count };
  }
  const given = targets ?? refuse('expected targets, but got none');
  if (given.length !== count * classes) {
    refuse(`expected ${count * classes} targets, ${classes} for each sample, but got ${given.length}`);
  }
  if (!given.every(Number.isFinite)) refuse('expected finite targets, but one is not');
  return { inputs: values, targets: given, count };
}

/** A copy: what the caller does to its own arrays afterwards changes nothing. */
function joined<T extends Uint8Array | Uint16Array | Float32Array>(parts: readonly [T, ...T[]]): T {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = new (parts[0].constructor as new (length: number) => T)(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** How a file or folder is read; docs/data.md has the options. */
export interface OpenDatasetOptions extends Pick<ReadingOptions, ReadingKey> {
  readonly environment?: Environment;
  readonly onNotice?: Print;
}

/**
 * Reads the data set of a name, a file or a folder, as `data` of `train` takes it.
 * @throws DatasetError if there is none, or a damaged one; UsageError if an option has no effect on it
 */
export async function openDataset(
  source: string,
  { environment = NO_ENVIRONMENT, onNotice = () => {}, ...reading }: OpenDatasetOptions = {},
): Promise<Dataset> {
  return openFound({ flag: source, reading, env: environment, print: onNotice });
}

/**
 * Writes a data set as one safetensors file, which `data` of `train` takes.
 * @throws the file system's error
 */
export async function saveDataset(dataset: Dataset, file: string): Promise<void> {
  await replaceFile(file, packedPieces(dataset));
}
