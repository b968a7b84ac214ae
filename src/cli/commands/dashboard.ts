// lockstep dashboard                          the page of the newest run
// lockstep dashboard runs/first runs/second   one over the other
import { startHttp } from '../../coordinator/http.ts';
import { resolvePageConfig } from '../../shared/config.ts';
import { findRuns } from '../runs/find.ts';
import { type MetricsAddress, metricsAddressOf } from '../runs/metrics-address.ts';
import { SavedFeed } from '../runs/saved-feed.ts';
import { serveUntilStopped } from '../serving.ts';
import { shownPath } from '../shown-path.ts';

/**
 * `lockstep dashboard [RUN…]`: serves the page of runs from their directories until it is stopped.
 * @returns the exit code
 * @throws UsageError where one isn't a run; RunDirectoryError where one can't be read; ListenError where the port is taken
 */
export async function dashboard(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const address = await metricsAddressOf(resolvePageConfig({ flags, env: process.env }), process.env);
  const paths = await findRuns(named, process.env);
  const feed = new SavedFeed(paths);
  // What can't be read is told here, not on the page.
  await feed.beginning();
  await serveUntilStopped(
    () => startHttp({ ...(address as MetricsAddress), feed }),
    (url) => `${paths.map(shownPath).join(', ')}: ${url}`,
  );
  return 0;
}
