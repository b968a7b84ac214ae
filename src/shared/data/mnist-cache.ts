import { printable } from '../util/printable.ts';
import { shownPath } from '../util/shown-path.ts';
import { enterCache } from './cache.ts';
import { cacheFolder } from './data-folder.ts';
import type { Dataset } from './dataset.ts';
import { Mirrors, mirrorsOf } from './mirrors.ts';
import { loadMnist, type Replace } from './mnist.ts';
import type { DataFile } from './mnist-files.ts';
import type { SourceOptions } from './source.ts';

const USUAL_COLUMNS = 80;

/**
 * MNIST in the user's cache, whose missing and damaged files are fetched from a mirror.
 * @throws NoMirrorError if a file is needed and no mirror delivers it
 */
export function openCachedMnist(options: SourceOptions): Promise<Dataset> {
  const { env, allocate, files } = options;
  return loadMnist(cacheFolder(env), { allocate, replace: fromMirrors(options), ...(files && { files }) });
}

/** Fetches files that the cache lacks, and adds them to it. */
function fromMirrors({ env, print, show = showOnTerminal, startTimer }: SourceOptions): Replace {
  const cache = cacheFolder(env);
  const mirrors = new Mirrors(mirrorsOf(env), { onProgress: percentages(show), startTimer, env });
  return async (file, bytes, problem) => {
    const shown = shownPath(cache);
    if (problem !== undefined) print(`${file.name} in ${shown} is damaged; fetching it again.`, 'warn');
    show(`Fetching ${file.name} …`);
    const { mirror, failures, body, packed } = await mirrors.fetch(file, bytes).finally(() => show(''));
    for (const failure of failures) print(`Passed over ${failure}.`, 'warn');
    print(`Fetched ${file.name} (${megabytes(body.length)}) from ${mirror}`);
    await enterCache(cache, file, { body, packed }).catch((error: Error) =>
      print(`It can't be kept in ${shown} (${error.message}); the next run fetches it again.`, 'warn'),
    );
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
