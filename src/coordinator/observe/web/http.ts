import type { Token } from '../../../shared/util/token.ts';
import { addPage, type Feed } from './routes.ts';
import { guard, startWebServer, type WebServer } from './web-server.ts';

const LOOPBACK = '127.0.0.1';

export interface HttpOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  /** Whether the user gave the port: if it is taken, that is an error, and no other port is tried. */
  readonly explicit: boolean;
  /** Undefined: no metrics are served. */
  readonly metrics?: MetricsSource;
  /** The data of the page at /; undefined: there is no page. */
  readonly feed?: Feed | undefined;
  /** The token that the page and /metrics require; undefined: none. */
  readonly token?: Token | undefined;
}

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * Serves the live page, GET /metrics and GET /healthz. No request changes the run.
 * @throws ListenError if the address can't be used
 */
export function startHttp({ host = LOOPBACK, port, explicit, metrics, feed, token }: HttpOptions): Promise<WebServer> {
  const advice =
    'Give another one by --metrics-port, another address by --metrics-host, or --metrics-port off for none.';
  return startWebServer({ host, port, explicit, advice }, (app) => {
    const guarded = { onRequest: guard(token) };
    if (metrics !== undefined) {
      app.get('/metrics', guarded, async (_request, reply) =>
        reply.type(metrics.contentType).send(await metrics.text()),
      );
    }
    if (feed !== undefined) addPage(app, feed, guarded);
    app.get('/healthz', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
  });
}
