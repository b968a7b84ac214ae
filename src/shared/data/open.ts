import { DatasetError } from '../util/errors.ts';
import { shownPath, typedPath } from '../util/shown-path.ts';
import { cacheFolder, resolveDataFolder } from './data-folder.ts';
import type { Dataset } from './dataset.ts';
import { NoMirrorError } from './mirrors.ts';
import { loadMnist } from './mnist.ts';
import { DEFAULT_SET, FALLBACK_SET, namedSet, namedSetOf } from './registry.ts';
import type { SourceOptions } from './source.ts';

export interface OpenOptions extends Omit<SourceOptions, 'allocate'> {
  /** --data: a folder, or the name of a set in registry.ts. */
  readonly flag?: string | undefined;
  readonly allocate?: SourceOptions['allocate'];
  /** Digest of the data set that a checkpoint was trained on. A named set is opened again; the fallback never replaces another set. */
  readonly trainedOn?: string | undefined;
  /** --data of the run that wrote the checkpoint. Its run.json may be somebody else's: an error names this folder, and nothing opens it. */
  readonly recorded?: string | undefined;
}

/**
 * The data set: from --data, else $MNIST_DIR, else the user's cache, whose missing and damaged files are fetched from a mirror.
 * If no mirror delivers, it is the fallback set, and a warning is printed. A named folder must be complete.
 * @throws DatasetError if a named folder isn't complete, or if the fallback would replace the set that a checkpoint was
 * trained on; UsageError for a wrong list of mirrors
 */
export async function openDataset(options: OpenOptions): Promise<Dataset> {
  const { flag, env, allocate = (length) => new Uint8Array(length), print, files } = options;
  const { title } = DEFAULT_SET;
  const chosen = namedSet(flag);
  if (chosen !== undefined) {
    print(`Data: ${chosen.title}, by --data, not ${title}.`);
    return chosen.open({ ...options, allocate });
  }
  if (flag !== undefined || env.MNIST_DIR) {
    return loadMnist(await resolveDataFolder({ flag, env }), { allocate, ...(files && { files }) });
  }
  const own = namedSetOf(options.trainedOn);
  if (own !== undefined) {
    print(`Data: ${own.title}, not ${title}: the checkpoint was trained on them.`);
    return own.open({ ...options, allocate });
  }
  const attempts = reusing(allocate);
  try {
    return await DEFAULT_SET.open({ ...options, allocate: attempts() });
  } catch (error) {
    if (!(error instanceof NoMirrorError)) throw error;
    if (options.trainedOn !== undefined) throw noFallback(error, cacheFolder(env), options.recorded);
    for (const line of fallbackWarning(error, cacheFolder(env))) print(line, 'warn');
    return FALLBACK_SET.open({ ...options, allocate: attempts() });
  }
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

function noFallback({ file, failures }: NoMirrorError, cache: string, recorded: string | undefined): DatasetError {
  const isFolder = recorded !== undefined && namedSet(recorded) === undefined;
  const hint = isFolder ? ` The run's own command named --data ${typedPath(recorded)}.` : '';
  return new DatasetError(
    "MNIST was not found and could not be fetched, and weights that weren't trained on synthetic digits aren't tested on them: " +
      `--data is not given, $MNIST_DIR is not set, and ${shownPath(cache)} lacks ${file}. Mirrors tried: ${failures.join('; ')}. ` +
      `Put its four files into a folder and name that by --data or $MNIST_DIR.${hint} To use synthetic digits anyway: --data synthetic`,
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
