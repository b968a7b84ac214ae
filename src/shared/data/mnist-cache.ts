import { shownPath } from '../util/shown-path.ts';
import { enterCache } from './cache.ts';
import { cacheFolder } from './data-folder.ts';
import type { Dataset } from './dataset.ts';
import { announced, mirrorsFor } from './fetching.ts';
import { mirrorsOf } from './mirrors.ts';
import { loadMnist, type Replace } from './mnist.ts';
import type { SourceOptions } from './source.ts';

/**
 * MNIST in the user's cache, whose missing and damaged files are fetched from a mirror.
 * @throws NoMirrorError if a file is needed and no mirror delivers it
 */
export function openCachedMnist(options: SourceOptions): Promise<Dataset> {
  const { env, arrays, files } = options;
  return loadMnist(cacheFolder(env), { arrays, replace: fromMirrors(options), ...(files && { files }) });
}

/** Fetches files that the cache lacks, and adds them to it. */
function fromMirrors(options: SourceOptions): Replace {
  const { env, print } = options;
  const cache = cacheFolder(env);
  const mirrors = mirrorsFor(mirrorsOf(env), options);
  return async (file, bytes, problem) => {
    const shown = shownPath(cache);
    if (problem !== undefined) print(`${file.name} in ${shown} is damaged; fetching it again.`, 'warn');
    const { body, packed } = await announced(file.name, options, () => mirrors.fetch(file, bytes));
    await enterCache(cache, file, { body, packed }).catch((error: Error) =>
      print(`It can't be kept in ${shown} (${error.message}); the next run fetches it again.`, 'warn'),
    );
  };
}
