import { SYNTHETIC } from '../config/config.ts';
import { DatasetError } from '../util/errors.ts';
import { printable } from '../util/printable.ts';
import { shownPath } from '../util/shown-path.ts';
import { enterCache } from './cache.ts';
import { cacheFolder, resolveDataFolder } from './data-folder.ts';
import type { Dataset } from './dataset.ts';
import type { StartTimer } from './download.ts';
import { Mirrors, mirrorsOf, NoMirrorError } from './mirrors.ts';
import { loadMnist, type Replace } from './mnist.ts';
import type { DataFile, DataFiles } from './mnist-files.ts';
import { SYNTHETIC_SHA256, syntheticDataset } from './synthetic.ts';

export interface OpenOptions {
  /** --data: a folder, or `synthetic`. */
  readonly flag?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Gives the arrays that receive the images and labels. */
  readonly allocate?: (length: number) => Uint8Array;
  /** Prints one line. */
  readonly print: (line: string) => void;
  /** Shows a status text, which replaces the last one; an empty text removes it. */
  readonly show?: (text: string) => void;
  /** Digest of the data set that a checkpoint was trained on. Synthetic digits are made again; they never replace another set. */
  readonly trainedOn?: string | undefined;
  /** --data of the run that wrote the checkpoint: tried first if no folder is named. */
  readonly recorded?: string | undefined;
  readonly startTimer?: StartTimer;
  /** For tests with small made-up sets. */
  readonly files?: DataFiles;
}

const USUAL_COLUMNS = 80;

/**
 * The data set: from --data, else $MNIST_DIR, else the user's cache, whose missing and damaged files are fetched from a mirror.
 * If no mirror delivers, the data are synthetic digits, and a warning is printed. A named folder must be complete.
 * @throws DatasetError if a named folder isn't complete, or if synthetic digits would replace the set that a checkpoint was
 * trained on; UsageError for a wrong list of mirrors
 */
export async function openDataset(options: OpenOptions): Promise<Dataset> {
  const { flag, env, allocate = (length) => new Uint8Array(length), print, files } = options;
  if (flag === SYNTHETIC) {
    print('Data: SYNTHETIC digits, by --data, not MNIST.');
    return syntheticDataset({ allocate });
  }
  if (flag !== undefined || env.MNIST_DIR) {
    return loadMnist(await resolveDataFolder({ flag, env }), { allocate, ...(files && { files }) });
  }
  if (options.trainedOn === SYNTHETIC_SHA256) {
    print('Data: SYNTHETIC digits, not MNIST: the checkpoint was trained on them.');
    return syntheticDataset({ allocate });
  }
  const attempts = reusing(allocate);
  const recorded = await loadRecorded(options, attempts());
  if (recorded !== undefined) return recorded;
  try {
    return await loadMnist(cacheFolder(env), {
      allocate: attempts(),
      replace: fromMirrors(options),
      ...(files && { files }),
    });
  } catch (error) {
    if (!(error instanceof NoMirrorError)) throw error;
    if (options.trainedOn !== undefined) throw notSynthetic(error, cacheFolder(env));
    for (const line of fallbackWarning(error, cacheFolder(env))) print(line);
    return syntheticDataset({ allocate: attempts() });
  }
}

/** The folder may have been moved since. */
async function loadRecorded({ recorded, print, files }: OpenOptions, allocate: (length: number) => Uint8Array) {
  if (recorded === undefined || recorded === SYNTHETIC) return undefined;
  try {
    return await loadMnist(recorded, { allocate, ...(files && { files }) });
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    print(`Passed over the folder that the run was trained from: ${error.message}`);
    return undefined;
  }
}

/** Fetches files that the cache lacks, and adds them to it. */
function fromMirrors({ env, print, show = showOnTerminal, startTimer }: OpenOptions): Replace {
  const cache = cacheFolder(env);
  const mirrors = new Mirrors(mirrorsOf(env), { onProgress: percentages(show), startTimer });
  return async (file, bytes, problem) => {
    const shown = shownPath(cache);
    if (problem !== undefined) print(`${file.name} in ${shown} is damaged; fetching it again.`);
    show(`Fetching ${file.name} …`);
    const { mirror, failures, body, packed } = await mirrors.fetch(file, bytes).finally(() => show(''));
    for (const failure of failures) print(`Passed over ${failure}.`);
    print(`Fetched ${file.name} (${megabytes(body.length)}) from ${mirror}`);
    await enterCache(cache, file, { body, packed }).catch((error: Error) =>
      print(`It can't be kept in ${shown} (${error.message}); the next run fetches it again.`),
    );
  };
}

function fallbackWarning(error: NoMirrorError, cache: string): string[] {
  return [
    'WARNING: MNIST was not found and could not be fetched. The data are SYNTHETIC digits, not MNIST.',
    `  --data is not given, $MNIST_DIR is not set, and ${shownPath(cache)} lacks ${error.file}. Mirrors tried:`,
    ...error.failures.map((failure) => `  ${failure}`),
    '  Accuracies on synthetic digits say nothing about MNIST. To train on it, put its four files into a folder and name',
    '  that by --data or $MNIST_DIR, or name other mirrors by $LOCKSTEP_MNIST_MIRRORS. To skip the search: --data synthetic',
  ];
}

function notSynthetic({ file, failures }: NoMirrorError, cache: string): DatasetError {
  return new DatasetError(
    "MNIST was not found and could not be fetched, and weights that weren't trained on synthetic digits aren't tested on them: " +
      `--data is not given, $MNIST_DIR is not set, and ${shownPath(cache)} lacks ${file}. Mirrors tried: ${failures.join('; ')}. ` +
      'Put its four files into a folder and name that by --data or $MNIST_DIR. To use synthetic digits anyway: --data synthetic',
  );
}

/** Allocators for one attempt each, all giving the same arrays: shared memory can't be freed. */
function reusing(allocate: (length: number) => Uint8Array): () => (length: number) => Uint8Array {
  const taken: Uint8Array[] = [];
  return () => {
    let next = 0;
    return (length) => {
      const index = next++;
      const array = taken[index];
      if (array?.length === length) return array;
      const fresh = allocate(length);
      taken[index] = fresh;
      return fresh;
    };
  };
}

/** Shows how much of a file has been received, only if the text changes. */
function percentages(show: (text: string) => void) {
  let last = '';
  return (file: DataFile, received: number, total: number | undefined): void => {
    const share = total === undefined ? megabytes(received) : `${Math.floor((100 * received) / total)} %`;
    const text = `Fetching ${file.name}: ${share}${total === undefined ? '' : ` of ${megabytes(total)}`}`;
    if (text !== last) show(text);
    last = text;
  };
}

function megabytes(bytes: number): string {
  return bytes < 1e5 ? `${(bytes / 1000).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Shows a text on standard error if that is a terminal. */
function showOnTerminal(text: string): void {
  const { isTTY, columns } = process.stderr;
  // A pseudo-terminal without a size has 0 columns.
  const width = columns || USUAL_COLUMNS;
  // A line as wide as the terminal would wrap, and its first half would stay.
  if (isTTY) process.stderr.write(`\r\u001b[K${printable(text).slice(0, width - 1)}`);
}
