import type { AddressInfo } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { ListenError } from '../../../shared/util/errors.ts';
import { isLoopback } from '../../../shared/util/loopback.ts';
import type { Token } from '../../../shared/util/token.ts';

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

export interface WebServerOptions {
  readonly host: string;
  readonly port: number;
  /** The port was asked for: where it is taken, that is an error rather than a reason to take another. */
  readonly explicit: boolean;
  /** What to do where the port can't be had, as a sentence. */
  readonly advice: string;
}

export interface WebServer {
  /** Without a path, as http://127.0.0.1:9464 */
  readonly url: string;
  /** The port differs from the one in the options. */
  readonly moved: boolean;
  /** Ends open connections too. */
  close(): Promise<void>;
}

/**
 * Serves what can be read and changes nothing.
 * @param addRoutes called again where another port has to be taken
 * @throws ListenError where the address can't be had
 */
export async function startWebServer(
  options: WebServerOptions,
  addRoutes: (app: FastifyInstance) => void,
): Promise<WebServer> {
  const { host, port, explicit } = options;
  let app = build(addRoutes);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    if (explicit || codeOf(error) !== 'EADDRINUSE') throw listenError(options, error);
    app = build(addRoutes);
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

function build(addRoutes: (app: FastifyInstance) => void): FastifyInstance {
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
  addRoutes(app);
  return app;
}

/**
 * Lets those in who hold the token: programs show it as a bearer, browsers as a password under any name. Where there is none, only
 * those who call this machine by its own names: another site's name that leads here would let that site read along.
 */
export function guard(token: Token | undefined) {
  return async ({ headers, hostname }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    reply.type('text/plain; charset=utf-8');
    if (token === undefined) {
      if (isLoopback(hostname)) return;
      return reply.code(421).send('Only this machine is served: call it 127.0.0.1 or localhost.\n');
    }
    if (token.equals(shownIn(headers.authorization ?? ''))) return;
    reply.code(401).header('www-authenticate', ['Bearer realm="lockstep"', 'Basic realm="lockstep"']);
    return reply.send('A token is needed, as bearer or as password: the one of --metrics-token-file.\n');
  };
}

/** Node reads headers as Latin-1, whatever the bytes are. */
function shownIn(authorization: string): Uint8Array {
  const [, scheme = '', shown = ''] = /^(Bearer|Basic) +(.*)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return Buffer.from(shown, 'latin1');
  const pair = Buffer.from(shown, 'base64');
  return pair.subarray(pair.indexOf(':') + 1);
}

function listenError({ host, port, advice }: WebServerOptions, error: unknown): ListenError {
  const why = codeOf(error) === 'EADDRINUSE' ? 'is taken by another program' : `can't be opened (${String(error)})`;
  return new ListenError(`Port ${port} on ${host} ${why}. ${advice}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
