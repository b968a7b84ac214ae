// lockstep dashboard                          the page of the newest run
// lockstep dashboard runs/first runs/second   one over the other
import { once } from 'node:events';
import { startHttp } from '../../coordinator/http.ts';
import { resolvePageConfig } from '../../shared/config.ts';
import { UsageError } from '../../shared/errors.ts';
import { callerPath } from '../../shared/paths.ts';
import { findRun } from '../runs/find.ts';
import { SavedFeed } from '../runs/saved-feed.ts';
import { shownPath } from '../shown-path.ts';
import { stopOnSignals } from '../signals.ts';

const MOST_RUNS = 6;

/**
 * `lockstep dashboard [RUN…]`: serves the page of runs from their directories until it is stopped.
 * @returns the exit code
 * @throws UsageError where one isn't a run; RunDirectoryError where one can't be read; ListenError where the port is taken
 */
export async function dashboard(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { port, explicit } = resolvePageConfig({ flags, env: process.env });
  if (named.length > MOST_RUNS) {
    throw new UsageError(`${named.length} runs: expected at most ${MOST_RUNS}, for as many colours. Name fewer.`);
  }
  const runs = callerPath('runs', process.env);
  const chosen = named.length === 0 ? [undefined] : named;
  const paths: string[] = [];
  for (const path of chosen) {
    paths.push(await findRun(path === undefined ? undefined : callerPath(path, process.env), runs));
  }
  const feed = new SavedFeed([...new Set(paths)]);
  // What can't be read is told here, not on the page.
  await feed.beginning();
  const stop = stopOnSignals(() => {});
  const http = await startHttp({ port, explicit, feed });
  process.stderr.write(`${paths.map(shownPath).join(', ')}: ${http.url}/ (Ctrl-C ends it)\n`);
  if (!stop.signal.aborted) await once(stop.signal, 'abort');
  await http.close();
  return 0;
}
