// lockstep dashboard                          the page of all runs below runs/
// lockstep dashboard runs/rates               of another folder of runs, such as a sweep's
// lockstep dashboard latest                   of the newest run
// lockstep dashboard runs/first runs/second   the curves of several runs in the same charts
import { startHttp } from '../../coordinator/observe/web/http.ts';
import { type MetricsAddress, metricsAddressOf } from '../../coordinator/observe/web/metrics-address.ts';
import { RunsFeed } from '../../coordinator/observe/web/runs-feed.ts';
import { findRun, isRun, runsFolder } from '../../coordinator/run/find.ts';
import { openRun } from '../../coordinator/run/list.ts';
import { resolvePageConfig } from '../../shared/config/config.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { warnOfReaders } from '../../shared/util/token.ts';
import { print } from '../print.ts';
import { serveUntilStopped } from '../serving.ts';

/**
 * `lockstep dashboard [RUN…]`: serves the page of runs from their directories until it is stopped.
 * @returns the exit code
 * @throws UsageError if one is neither a run nor a folder, RunDirectoryError if one can't be read, ListenError if the port is taken
 */
export async function dashboard(named: readonly string[], flags: Readonly<Record<string, unknown>>): Promise<number> {
  const page = resolvePageConfig({ flags, env: process.env });
  await warnOfReaders([page.config.metricsTokenFile], print);
  for (const line of page.unused ?? []) print(line);
  const address = await metricsAddressOf(page, process.env);
  const places: string[] = [];
  for (const each of named) places.push(await findRun(each, process.env));
  let isChosen = places.length > 0;
  for (const place of places) {
    // Read once before serving, so that a run that can't be read is an error here.
    if (await isRun(place)) await openRun(place);
    else isChosen = false;
  }
  if (places.length === 0) places.push(runsFolder(process.env));
  const feed = new RunsFeed([...new Set(places)], { isChosen });
  await serveUntilStopped(
    () => startHttp({ ...(address as MetricsAddress), feed }),
    (url) => `${places.map(shownPath).join(', ')}: ${url}`,
  );
  return 0;
}
