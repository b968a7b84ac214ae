import type { Token } from '../../../shared/util/token.ts';
import { addPage, type Feed } from './routes.ts';
import { guard, startWebServer, type WebServer } from './web-server.ts';

const LOOPBACK = '127.0.0.1';
const TEXT = 'text/plain; charset=utf-8';
const ADVICE = 'Give another one by --metrics-port, another address by --metrics-host, or --metrics-port off for none.';

export interface HttpOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  /** Whether the user gave the port: if it is taken, that is an error, and no other port is tried. */
  readonly explicit: boolean;
  /** Ports that aren't taken in the place of one that is in use. */
  readonly avoid?: readonly number[] | undefined;
  /** What to do if the port can't be used, as a sentence (default: by the options of `train`). */
  readonly advice?: string;
  /** Undefined: no metrics are served. */
  readonly metrics?: MetricsSource;
  /** The data of the page at /; undefined: there is no page. */
  readonly feed?: Feed | undefined;
  /** The token that the page and /metrics require; undefined: none. */
  readonly token?: Token | undefined;
  /** Whether /readyz says so (default: always). */
  readonly isReady?: () => boolean;
}

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/**
 * Serves the live page, GET /metrics, and for engines GET /healthz and /readyz. No request changes the run.
 * @throws ListenError if the address can't be used
 */
export function startHttp(options: HttpOptions): Promise<WebServer> {
  const {
    host = LOOPBACK,
    port,
    explicit,
    avoid,
    metrics,
    feed,
    token,
    isReady = () => true,
    advice = ADVICE,
  } = options;
  return startWebServer({ host, port, explicit, avoid, advice }, (app) => {
    const guarded = { onRequest: guard(token) };
    if (metrics !== undefined) {
      app.get('/metrics', guarded, async (_request, reply) =>
        reply.type(metrics.contentType).send(await metrics.text()),
      );
    }
    if (feed !== undefined) addPage(app, feed, guarded);
    app.get('/healthz', async (_request, reply) => reply.type(TEXT).send('ok\n'));
    app.get('/readyz', async (_request, reply) =>
      isReady() ? reply.type(TEXT).send('ready\n') : reply.code(503).type(TEXT).send('starting\n'),
    );
  });
}
