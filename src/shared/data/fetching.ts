import { printable } from '../util/printable.ts';
import { Mirrors, type Sent } from './mirrors.ts';
import type { SourceOptions } from './source.ts';

const USUAL_COLUMNS = 80;

/** What a source may use to fetch files. */
export type FetchOptions = Pick<SourceOptions, 'env' | 'print' | 'show' | 'startTimer'>;

/** Mirrors whose progress is shown. */
export function mirrorsFor(addresses: readonly string[], { env, show = showOnTerminal, startTimer }: FetchOptions) {
  return new Mirrors(addresses, { onProgress: percentages(show), startTimer, env });
}

/** Fetches a file, and prints where it came from. */
export async function announced<T extends Sent>(
  name: string,
  { print, show = showOnTerminal }: FetchOptions,
  fetchIt: () => Promise<T>,
): Promise<T> {
  show(`Fetching ${name} …`);
  const fetched = await fetchIt().finally(() => show(''));
  for (const failure of fetched.failures) print(`Passed over ${failure}.`, 'warn');
  print(`Fetched ${name} (${megabytes(fetched.body.length)}) from ${fetched.mirror}`);
  return fetched;
}

/** Shows how much of a file has been received, only if the text changes. */
function percentages(show: (text: string) => void) {
  let last = '';
  return (file: { readonly name: string }, received: number, total: number | undefined): void => {
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
