import type { Token } from '../../../shared/util/token.ts';
import { addPage, type Feed } from './routes.ts';
import { guard, startWebServer, type WebServer } from './web-server.ts';

const LOOPBACK = '127.0.0.1';

export interface HttpOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  /** The port was asked for: where it is taken, that is an error rather than a reason to take another. */
  readonly explicit: boolean;
  /** Undefined: none are served. */
  readonly metrics?: MetricsSource;
  /** What the page at / shows; undefined: there is none. */
  readonly feed?: Feed | undefined;
  /** Whoever reads the page or /metrics must hold it; undefined: anybody may. */
  readonly token?: Token | undefined;
}

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * Serves the live page, GET /metrics and GET /healthz. Nothing that comes in changes the run.
 * @throws ListenError where the address can't be had
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
