import { type Dataset, OWN_ARRAYS } from '../../shared/data/dataset.ts';
import { identify } from '../../shared/data/identify.ts';
import { checkSize } from '../../shared/data/limits.ts';
import { type FindOptions, findDataset } from '../../shared/data/open.ts';
import { listPictures } from '../../shared/data/picture-folder.ts';
import type { Normalization } from '../../shared/data/preparation.ts';
import { isVector, type Shape, shapeSize, shapeText, vector } from '../../shared/model/shape.ts';
import { decodePicture, pictureBytes } from '../../shared/pictures/decode.ts';
import type { Pixels } from '../../shared/pictures/pixels.ts';
import { DEFAULT_RESIZE, sampleOf } from '../../shared/pictures/resize.ts';
import { DatasetError, UsageError } from '../../shared/util/errors.ts';
import { count, percent } from '../../shared/util/figures.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { printable } from '../../shared/util/printable.ts';
import type { FrozenNetwork } from './network.ts';
import { FeaturePool } from './pool.ts';
import { runtimeName } from './runtime.ts';
import type { FeatureTask } from './thread.ts';

/** About the bytes of a task, and the least that a thread is started for: few pictures that take long, or many that are small. */
const TASK_BYTES = 2 ** 18;

type PictureShape = Shape & { readonly maps: 1 | 3 };

/**
 * The features that a frozen network makes of a data set's pictures, as a data set of floats with the same parts, targets and names.
 * Folders of pictures are read at the network's input size.
 * @throws UsageError if the samples are no pictures; DatasetError if a feature isn't finite, or the data set can't be had; ModelError
 * if the network can't be run; PackageError if what runs it isn't installed
 */
export async function openFeatures(
  options: FindOptions,
  network: FrozenNetwork,
  normalization: Normalization,
): Promise<Dataset> {
  const runtime = await runtimeName();
  const found = await findDataset({ ...options, reading: { ...options.reading, input: network.input.shape } });
  const sample = pictureShape(found.shape, found.shape.inputs);
  const dataset = await found.read(OWN_ARRAYS);
  const { name, classes, classNames, preparation, train, test } = dataset;
  const resize = preparation?.kind === 'pictures' ? preparation.resize : DEFAULT_RESIZE;
  const features = await featuresOf(dataset, sample, { network, normalization, options });
  const width = features.length / (train.count + test.count);
  const contents = {
    ...{ ...vector(width), classes, classNames },
    train: { ...train, inputs: features.subarray(0, width * train.count) },
    test: { ...test, inputs: features.subarray(width * train.count) },
    preparation: {
      ...{ kind: 'features' as const, resize, sample, normalization, runtime },
      ...{ layer: network.layer, network: { file: printable(network.file), sha256: network.sha256 } },
    },
  };
  return identify(contents, name);
}

function pictureShape(shape: Shape, inputs: 'uint8' | 'float32'): PictureShape {
  const { maps, height, width } = shape;
  if (inputs === 'uint8' && !isVector(shape) && (maps === 1 || maps === 3)) return { maps, height, width };
  throw new UsageError(
    `--features: expected pictures, bytes of one map or of three colours, but the samples are ${shapeText(shape)}` +
      `${inputs === 'uint8' ? '' : ' of floats'}. Leave it out.`,
  );
}

interface Extraction {
  readonly network: FrozenNetwork;
  readonly normalization: Normalization;
  readonly options: FindOptions;
}

/** [training samples, then test samples][features] */
async function featuresOf(
  dataset: Dataset,
  shape: PictureShape,
  { network, normalization, options }: Extraction,
): Promise<Float32Array> {
  const total = dataset.train.count + dataset.test.count;
  const bytes = dataset.train.inputs.length + dataset.test.inputs.length;
  const pool = await FeaturePool.open(network, normalization, Math.ceil(bytes / TASK_BYTES));
  let all: Float32Array = new Float32Array();
  let done = 0;
  try {
    for await (const features of pool.run(tasksOf(dataset, shape))) {
      for (const own of features) {
        if (done === 0) all = allocated(dataset, own.length);
        const problem = problemOf(own, all.length / total);
        if (problem !== undefined) throw await badSample(dataset, done, problem, options);
        all.set(own, own.length * done++);
      }
      options.show?.(`Computing the features of ${count(total)} pictures: ${percent(done / total, 0)}`);
    }
  } finally {
    options.show?.('');
    await pool.close();
  }
  return all;
}

function* tasksOf({ train, test }: Dataset, shape: PictureShape): Generator<FeatureTask> {
  const size = shapeSize(shape);
  const each = size * Math.max(1, Math.floor(TASK_BYTES / size));
  for (const { inputs } of [train, test]) {
    // Copies: with a view, all that is behind it would be posted to the thread.
    for (let at = 0; at < inputs.length; at += each)
      yield { samples: inputs.slice(at, at + each) as Uint8Array, shape };
  }
}

/** @throws DatasetError if so many features are larger than the memory that workers share */
function allocated({ name, classes, train, test }: Dataset, features: number): Float32Array {
  const targets = train.targets instanceof Float32Array ? 'float32' : 'uint16';
  const counts = { samples: train.count, testSamples: test.count };
  checkSize({ ...vector(features), ...counts, classes, inputs: 'float32', targets }, name);
  return new Float32Array((train.count + test.count) * features);
}

function problemOf(features: Float32Array, expected: number): string | undefined {
  if (features.length !== expected) return `are ${features.length}, and those of others ${expected}`;
  const wrong = features.findIndex((value) => !Number.isFinite(value));
  return wrong < 0 ? undefined : `must be finite numbers, but the one at place ${wrong} is ${features[wrong]}`;
}

async function badSample(
  dataset: Dataset,
  place: number,
  problem: string,
  options: FindOptions,
): Promise<DatasetError> {
  const { train, test } = dataset;
  const [part, own] = place < train.count ? (['training', place] as const) : (['test', place - train.count] as const);
  const { targets } = part === 'training' ? train : test;
  const target = targets instanceof Uint16Array ? targets[own] : undefined;
  const named = target === undefined ? '' : ` of the class ${dataset.classNames[target]}`;
  const inputs = (part === 'training' ? train : test).inputs as Uint8Array;
  const size = shapeSize(dataset);
  const file = await pictureWith(inputs.subarray(own * size, (own + 1) * size), dataset, options);
  const what = file ?? `${part} sample ${own}${named}`;
  return new DatasetError(`The features of ${printable(what)} ${problem}. Remove it, or use another --layer.`);
}

/** The picture of a folder that became a sample; undefined if the samples weren't made of a folder's pictures here. */
async function pictureWith(
  sample: Uint8Array,
  { preparation, ...shape }: Dataset,
  { flag, env }: FindOptions,
): Promise<string | undefined> {
  if (preparation?.kind !== 'pictures' || flag === undefined) return undefined;
  const folder = await listPictures(callerPath(flag, env)).catch(() => undefined);
  for (const { path, name } of [...(folder?.train ?? []), ...(folder?.test ?? [])]) {
    const made = await decoded(path).then((pixels) => pixels && sampleOf(pixels, shape, preparation.resize));
    if (made !== undefined && Buffer.compare(made, sample) === 0) return name;
  }
  return undefined;
}

/** undefined if it can't be read: it became no sample. */
async function decoded(path: string): Promise<Pixels | undefined> {
  try {
    return await decodePicture(pictureBytes(path));
  } catch {
    return undefined;
  }
}
