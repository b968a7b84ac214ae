import { join } from 'node:path';
import { flagOf } from '../config/schema.ts';
import { DatasetError, UsageError } from '../util/errors.ts';
import { count } from '../util/figures.ts';
import { callerPath } from '../util/paths.ts';
import { shownPath, typedPath } from '../util/shown-path.ts';
import { checkClasses } from './check-classes.ts';
import { cacheFolder, resolveDataFolder } from './data-folder.ts';
import { type Arrays, type Dataset, type DatasetShape, OWN_ARRAYS, shapeOf } from './dataset.ts';
import { digestOf } from './digest.ts';
import { identify, keptName } from './identify.ts';
import { badFile } from './idx.ts';
import { idxFiles } from './idx-digest.ts';
import { NoMirrorError } from './mirrors.ts';
import { type DataFile, MNIST_FILES, shapeOfFiles } from './mnist-files.ts';
import { findKept } from './packed-cache.ts';
import { placeAt } from './place.ts';
import {
  DEFAULT_SET,
  datasetText,
  FALLBACK_SET,
  licenceOf,
  namedSet,
  namedSetOf,
  SOURCE_KINDS,
  sourceKindsText,
  sourcesText,
} from './registry.ts';
import { reusing } from './reused-arrays.ts';
import {
  type DataSource,
  type FindContext,
  type Found,
  READING_KEYS,
  type ReadingKey,
  type ReadingOptions,
  type SourceOptions,
} from './source.ts';
import { IDX } from './sources/idx.ts';

export interface FindOptions extends Omit<SourceOptions, 'arrays'> {
  /** --data: a folder or file, or the name of a set in registry.ts. */
  readonly flag?: string | undefined;
  /** What decides how a folder or file is read. */
  readonly reading?: ReadingOptions;
  /** Digest of the data set that a checkpoint was trained on. A named set is opened again; the fallback never replaces another set. */
  readonly trainedOn?: string | undefined;
  readonly recorded?: Recorded | undefined;
}

/** The options by which the run that wrote a checkpoint found its data set. */
export interface Recorded extends Pick<ReadingOptions, ReadingKey> {
  /** The data set's name. */
  readonly name?: string | undefined;
  /** Its run.json may be somebody else's: an error names this folder, and nothing opens it. */
  readonly data?: string | undefined;
}

/**
 * The data set: from --data, else $MNIST_DIR, else the user's cache, whose missing and damaged files are fetched from a mirror
 * when it is read. If no mirror delivers, it is the fallback set, and a warning is printed. A name, folder or file that --data names
 * is the only one tried.
 * @throws DatasetError if a named file or folder holds no data set or a damaged one, or if the fallback would replace the set that a
 * checkpoint was trained on; UsageError for a wrong list of mirrors, or an option that has no effect on what --data names
 */
export async function findDataset(options: FindOptions): Promise<Found<Dataset>> {
  const { shape, read } = await find(options);
  return {
    shape,
    read: async (arrays) => {
      const dataset = await read(arrays);
      if (isNews(dataset, options)) options.print(`Data: ${describeSet({ ...dataset, ...shapeOf(dataset) })}.`);
      return dataset;
    },
  };
}

/** Whether it must be said what a set is: not of a known one that a checkpoint was trained on, and nobody named. */
function isNews({ sha256 }: Dataset, { flag, trainedOn }: FindOptions): boolean {
  return flag !== undefined || sha256 !== trainedOn || namedSetOf(sha256) === undefined;
}

async function find(options: FindOptions): Promise<Found<Dataset>> {
  const { flag, env, print, files = MNIST_FILES, trainedOn, reading = {} } = options;
  const chosen = namedSet(flag);
  if (chosen !== undefined) return findNamed(chosen, options);
  if (flag !== undefined) return findAt(flag, { ...options, reading }, options.recorded);
  const kept = await findTrainedOn(options);
  if (kept !== undefined) return kept;
  if (env.MNIST_DIR) return findInVariable(options);
  const own = namedSetOf(trainedOn);
  if (own?.isComputed) {
    print(`Data: ${own.title}, not ${DEFAULT_SET.title}: the checkpoint was trained on them.`);
    return { shape: own.shape, read: (arrays) => own.open({ ...options, arrays }) };
  }
  return { shape: shapeOfFiles(files), read: (arrays) => openDefault(options, arrays) };
}

/** What a checkpoint was trained on: in the cache, or by the name that its run had. Other sets are found as for a new run. */
async function findTrainedOn(options: FindOptions): Promise<Found<Dataset> | undefined> {
  const { trainedOn, env, recorded } = options;
  if (trainedOn === undefined || namedSetOf(trainedOn) !== undefined) return undefined;
  const kept = await findKept(trainedOn, env);
  if (kept === undefined) {
    const set = namedSet(recorded?.data);
    return set === undefined || set.sha256 !== undefined ? undefined : findNamed(set, { ...options, reading: {} });
  }
  const name = keptName(trainedOn, recorded?.name);
  const read: Found<Dataset>['read'] = async (arrays) => ({ ...(await kept.read(arrays)), name });
  return { shape: kept.shape, read };
}

/** The data set, in arrays of its own unless others are given. @throws as `findDataset` and what it found do */
export async function openDataset(options: FindOptions & { readonly arrays?: Arrays }): Promise<Dataset> {
  return (await findDataset(options)).read(options.arrays ?? OWN_ARRAYS);
}

async function findNamed(set: DataSource, options: FindOptions): Promise<Found<Dataset>> {
  refuseWithoutEffect(options.reading ?? {}, [], `the set ${set.name}`);
  if (set === DEFAULT_SET) {
    if (options.env.MNIST_DIR) return findInVariable(options);
    return { shape: shapeOfFiles(options.files ?? MNIST_FILES), read: (arrays) => set.open({ ...options, arrays }) };
  }
  return { shape: set.shape, read: (arrays) => set.open({ ...options, arrays }) };
}

/**
 * The data set in $MNIST_DIR. With some of MNIST's own files, the others are damaged; without any, it is another set of that form,
 * which nobody gets who named MNIST.
 * @throws DatasetError if files are missing, damaged or altered
 */
async function findInVariable({ flag, env, print, files = MNIST_FILES }: FindOptions): Promise<Found<Dataset>> {
  const path = await resolveDataFolder({ env });
  const { shape, read } = await IDX.find(await placeAt(path, 'The folder given by $MNIST_DIR'), {
    env,
    print,
    reading: {},
  });
  return {
    shape,
    read: async (arrays) => {
      const contents = await read(arrays);
      const found = idxFiles(contents);
      const altered = files.filter(({ sha256 }, i) => found[i]?.sha256 !== sha256);
      if (altered.length === 0) return { ...contents, name: DEFAULT_SET.name, sha256: digestOf(files) };
      if (altered.length < files.length || flag !== undefined) throw alteredError(path, altered, found);
      const dataset = identify(contents, path);
      checkClasses(dataset, path);
      print(`$MNIST_DIR doesn't hold ${DEFAULT_SET.title}, but another data set in files of the same names.`, 'warn');
      return dataset;
    },
  };
}

function alteredError(
  folder: string,
  altered: readonly Pick<DataFile, 'name' | 'sha256'>[],
  found: readonly Pick<DataFile, 'name' | 'sha256'>[],
): DatasetError {
  const [{ name, sha256 }] = altered as [DataFile];
  const actual = found.find((file) => file.name === name)?.sha256;
  return badFile(join(folder, name), `altered: expected the SHA-256 ${sha256} (unpacked), but it has ${actual}.`);
}

/**
 * The data set in the file or folder that --data names.
 * @param recorded options that are taken if they have an effect and weren't given
 * @throws DatasetError if there is none, or a damaged one; UsageError if an option has no effect on it
 */
export async function findAt(flag: string, context: FindContext, recorded: Recorded = {}): Promise<Found<Dataset>> {
  if (flag === '') throw new DatasetError(`--data is empty. Expected ${sourcesText()}.`);
  const path = callerPath(flag, context.env);
  const place = await placeAt(path, 'What is given by --data');
  const kind = SOURCE_KINDS.find((each) => each.accepts(place));
  if (kind === undefined) throw new DatasetError(`--data ${path}: expected ${sourceKindsText()}.`, { file: path });
  refuseWithoutEffect(context.reading, kind.options ?? [], kind.title);
  const taken = kind.options ?? [];
  const own = Object.fromEntries(taken.map((key) => [key, context.reading[key] ?? recorded[key]]));
  const { shape, read } = await kind.find(place, { ...context, reading: { ...context.reading, ...own } });
  return {
    shape,
    read: async (arrays) => {
      const dataset = identify(await read(arrays), path);
      checkClasses(dataset, path);
      return dataset;
    },
  };
}

/** @throws UsageError if an option was given that isn't one of `taken` */
function refuseWithoutEffect(reading: ReadingOptions, taken: readonly ReadingKey[], what: string): void {
  const key = READING_KEYS.find((each) => reading[each] !== undefined && !taken.includes(each));
  if (key === undefined) return;
  throw new UsageError(`${flagOf(key)} has no effect on what --data names: ${what}. Leave it out.`);
}

/** Hex digits of a digest that a line has room for. */
const SHORT = 16;

/** What there is to say of a set in a line. */
export interface SetFacts extends DatasetShape {
  readonly name: string;
  /** Undefined if it isn't known yet. */
  readonly sha256?: string | undefined;
  readonly licence?: string | undefined;
}

/** Such as `flowers, 800 training and 200 test samples of 3x32x32 in 5 classes, SHA-256 0123456789abcdef…`. */
export function describeSet(set: SetFacts): string {
  const { name, samples, testSamples, targets, classes, sha256 } = set;
  const kinds = targets === 'float32' ? `with ${classes} output${classes === 1 ? '' : 's'}` : `in ${classes} classes`;
  const counts = `${count(samples)} training and ${count(testSamples)} test samples`;
  const digest = sha256 === undefined ? '' : `, SHA-256 ${sha256.slice(0, SHORT)}…`;
  const licence = licenceOf(set);
  const shape = `${set.maps}x${set.height}x${set.width}`;
  return `${datasetText(name)}, ${counts} of ${shape} ${kinds}${digest}${licence === undefined ? '' : `, licence: ${licence}`}`;
}

async function openDefault(options: FindOptions, arrays: Arrays): Promise<Dataset> {
  const { env, print } = options;
  const attempts = reusing(arrays);
  try {
    return await DEFAULT_SET.open({ ...options, arrays: attempts() });
  } catch (error) {
    if (!(error instanceof NoMirrorError)) throw error;
    if (options.trainedOn !== undefined) throw noFallback(error, cacheFolder(env), options.recorded?.data);
    for (const line of fallbackWarning(error, cacheFolder(env))) print(line, 'warn');
    return FALLBACK_SET.open({ ...options, arrays: attempts() });
  }
}

function fallbackWarning(error: NoMirrorError, cache: string): string[] {
  return [
    `WARNING: MNIST was not found and could not be fetched (${error.reasons.join('; ')}). The data are SYNTHETIC digits, not MNIST.`,
    `  --data is not given, $MNIST_DIR is not set, and ${shownPath(cache)} lacks ${error.file}. Mirrors tried:`,
    ...error.failures.map((failure) => `  ${failure}`),
    '  Accuracies on synthetic digits say nothing about MNIST. To train on it, connect to a network (through a proxy by',
    '  $HTTPS_PROXY) and start again, or put its four files into a folder and name that by --data or $MNIST_DIR, or name',
    '  other mirrors by $LOCKSTEP_MNIST_MIRRORS. To skip the search: --data synthetic',
  ];
}

function noFallback(cause: NoMirrorError, cache: string, recorded: string | undefined): DatasetError {
  const { file, failures } = cause;
  const isFolder = recorded !== undefined && namedSet(recorded) === undefined;
  const hint = isFolder ? ` The run's own command named --data ${typedPath(recorded)}.` : '';
  return new DatasetError(
    "MNIST was not found and could not be fetched, and weights that weren't trained on synthetic digits aren't tested on them: " +
      `--data is not given, $MNIST_DIR is not set, and ${shownPath(cache)} lacks ${file}. Mirrors tried: ${failures.join('; ')}. ` +
      `Put its four files into a folder and name that by --data or $MNIST_DIR.${hint} To use synthetic digits anyway: --data synthetic`,
    { cause },
  );
}
