// lockstep dashboard                          the page of the newest run
// lockstep dashboard runs/first runs/second   the curves of several runs in the same charts
import { startHttp } from '../../coordinator/observe/web/http.ts';
import { type MetricsAddress, metricsAddressOf } from '../../coordinator/observe/web/metrics-address.ts';
import { SavedFeed } from '../../coordinator/observe/web/saved-feed.ts';
import { findRuns } from '../../coordinator/run/find.ts';
import { resolvePageConfig } from '../../shared/config/config.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { warnOfReaders } from '../../shared/util/token.ts';
import { print } from '../print.ts';
import { serveUntilStopped } from '../serving.ts';

/**
 * `lockstep dashboard [RUN…]`: serves the page of runs from their directories until it is stopped.
 * @returns the exit code
 * @throws UsageError if one isn't a run, RunDirectoryError if one can't be read, ListenError if the port is taken
 */
export async function dashboard(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const page = resolvePageConfig({ flags, env: process.env });
  await warnOfReaders([page.config.metricsTokenFile], print);
  for (const line of page.unused ?? []) print(line);
  const address = await metricsAddressOf(page, process.env);
  const paths = await findRuns(named, process.env);
  const feed = new SavedFeed(paths);
  // Read once before serving, so that a run that can't be read is an error here.
  await feed.snapshot();
  await serveUntilStopped(
    () => startHttp({ ...(address as MetricsAddress), feed }),
    (url) => `${paths.map(shownPath).join(', ')}: ${url}`,
  );
  return 0;
}
