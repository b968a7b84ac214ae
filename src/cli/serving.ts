import { once } from 'node:events';
import type { WebServer } from '../coordinator/observe/web/web-server.ts';
import { reachable } from '../shared/util/reachable.ts';
import { print } from './print.ts';
import { StopSignals } from './signals.ts';

/**
 * Starts a server, prints a line with its URL, and closes it after SIGINT, SIGTERM or SIGHUP.
 * @param text the line for a URL
 */
export async function serveUntilStopped(start: () => Promise<WebServer>, text: (url: string) => string): Promise<void> {
  const signals = new StopSignals({ what: 'closing' });
  signals.handle(print);
  const server = await start();
  print(`${text(`${reachable(server.url)}/`)} (Ctrl-C ends it)`);
  if (!signals.stop.aborted) await once(signals.stop, 'abort');
  await server.close();
}
