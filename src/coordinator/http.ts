import type { AddressInfo } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { ListenError } from '../shared/errors.ts';
import type { Token } from '../shared/protocol/token.ts';

const LOOPBACK = '127.0.0.1';
const MAX_CONNECTIONS = 64;
const METHODS = ['GET', 'HEAD'];
/** Of every answer: nothing here is to be kept, guessed at, framed, or read by other sites. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

export interface HttpOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  /** The port was asked for: where it is taken, that is an error rather than a reason to take another. */
  readonly explicit: boolean;
  readonly metrics: MetricsSource;
  /** Whoever reads /metrics must hold it; undefined: anybody may. */
  readonly token?: Token | undefined;
}

export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
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
 * Serves GET /metrics and GET /healthz. Nothing that comes in changes the run.
 * @throws ListenError where the address can't be had
 */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { host = LOOPBACK, port, explicit } = options;
  let app = build(options);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    if (explicit || codeOf(error) !== 'EADDRINUSE') throw listenError(host, port, error);
    app = build(options);
    await app.listen({ host, port: 0 });
  }
  const bound = app.server.address() as AddressInfo;
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${name}:${bound.port}`,
    moved: port !== 0 && bound.port !== port,
    close: () => app.close(),
  };
}

function build({ metrics, token }: HttpOptions): FastifyInstance {
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
  // Of paths that aren't there too.
  app.addHook('onRequest', async ({ method }, reply) => {
    reply.headers(HEADERS);
    if (!METHODS.includes(method)) return reply.code(405).header('allow', METHODS.join(', ')).send();
  });
  app.get('/metrics', { onRequest: guard(token) }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
  app.get('/healthz', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'));
  return app;
}

/** Lets those in who hold the token. */
function guard(token: Token | undefined) {
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (token === undefined) return;
    const [, shown = ''] = /^Bearer +(.*)$/i.exec(headers.authorization ?? '') ?? [];
    // Node reads headers as Latin-1, whatever the bytes are.
    if (token.equals(Buffer.from(shown, 'latin1'))) return;
    reply.code(401).header('www-authenticate', 'Bearer realm="lockstep"').type('text/plain; charset=utf-8');
    return reply.send('A bearer token is needed: the one of --metrics-token-file.\n');
  };
}

function listenError(host: string, port: number, error: unknown): ListenError {
  const why = codeOf(error) === 'EADDRINUSE' ? 'is taken by another program' : `can't be opened (${String(error)})`;
  return new ListenError(
    `Port ${port} on ${host}, asked for as the metrics port, ${why}. Give another by --metrics-port or --metrics-host, or the port off for none.`,
    { cause: error },
  );
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
