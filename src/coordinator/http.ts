import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { ListenError } from '../shared/errors.ts';
import { addPage, type Feed } from './page/routes.ts';

const HOST = '127.0.0.1';
const MAX_CONNECTIONS = 64;

export interface HttpOptions {
  readonly port: number;
  /** The port was asked for: where it is taken, that is an error rather than a reason to take another. */
  readonly explicit: boolean;
  /** Undefined: none are served. */
  readonly metrics?: { readonly contentType: string; text(): Promise<string> } | undefined;
  /** What the page at / shows; undefined: there is none. */
  readonly feed?: Feed | undefined;
}

export interface HttpServer {
  /** Without a path, as http://127.0.0.1:9464 */
  readonly url: string;
  /** The port differs from the one in the options. */
  readonly moved: boolean;
  /** Ends open connections too. */
  close(): Promise<void>;
}

/**
 * Serves the live page, GET /metrics and GET /healthz on loopback.
 * @throws ListenError where the port can't be had
 */
export async function startHttp({ port, explicit, ...shown }: HttpOptions): Promise<HttpServer> {
  let app = build(shown);
  try {
    await app.listen({ host: HOST, port });
  } catch (error) {
    await app.close();
    if (explicit || codeOf(error) !== 'EADDRINUSE') throw listenError(port, error);
    app = build(shown);
    await app.listen({ host: HOST, port: 0 });
  }
  const bound = (app.server.address() as AddressInfo).port;
  return {
    url: `http://${HOST}:${bound}`,
    moved: port !== 0 && bound !== port,
    close: () => app.close(),
  };
}

function build({ metrics, feed }: Pick<HttpOptions, 'metrics' | 'feed'>): FastifyInstance {
  const app = fastify({
    bodyLimit: 1024,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 5_000,
    // A scraper's kept connection would hold up close() until it times out.
    forceCloseConnections: true,
    http: { maxHeaderSize: 8192 },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  if (metrics !== undefined) {
    app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  }
  app.get('/healthz', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
  if (feed !== undefined) addPage(app, feed);
  return app;
}

function listenError(port: number, error: unknown): ListenError {
  const why = codeOf(error) === 'EADDRINUSE' ? 'is taken by another program' : `can't be opened (${String(error)})`;
  return new ListenError(
    `Port ${port} on ${HOST}, asked for as the metrics port, ${why}. Give another by --metrics-port, or off for none.`,
    { cause: error },
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
