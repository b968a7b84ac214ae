import type { AddressInfo } from 'node:net';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { ListenError } from '../../../shared/util/errors.ts';
import { isOwnName } from '../../../shared/util/own-names.ts';
import type { Token } from '../../../shared/util/token.ts';
import { ConnectionSlots } from './connection-slots.ts';

/** Milliseconds until all headers of a request must have come, and between two checks of that. */
const HEADERS_MS = 5000;
const CHECK_MS = 1000;
/** How many ports are tried after the first, before any free one is taken. */
const MORE_PORTS = 100;
const MAX_PORT = 65_535;
const OTHER_NAME =
  'Only this machine is served, by its own names: call it 127.0.0.1 or localhost, or let the proxy send `Host: 127.0.0.1`.\n';
const METHODS = ['GET', 'HEAD'];
/** Headers of every answer: no caching, no guessing of types, no framing, no reading by other sites. */
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
  /** Whether the user gave the port: if it is taken, that is an error, and no other port is tried. */
  readonly explicit: boolean;
  /** Ports that aren't taken in the place of a port that is in use. */
  readonly avoid?: readonly number[] | undefined;
  /** What to do if the port can't be used, as a sentence. */
  readonly advice: string;
}

export interface WebServer {
  /** Without a path, as http://127.0.0.1:9464 */
  readonly url: string;
  /** Whether the port differs from the one in the options. */
  readonly moved: boolean;
  /** Closes open connections too. */
  close(): Promise<void>;
}

/**
 * Starts a server that can only be read.
 * @param addRoutes called again if another port has to be used
 * @throws ListenError if the address can't be used
 */
export async function startWebServer(
  options: WebServerOptions,
  addRoutes: (app: FastifyInstance) => void,
): Promise<WebServer> {
  const { port, explicit } = options;
  let app: FastifyInstance | undefined;
  for (const each of explicit ? [port] : portsFrom(options)) {
    app = await listeningOn(each, options, addRoutes);
    if (app !== undefined) break;
  }
  if (app === undefined) throw listenError(options, Object.assign(new Error('it is in use'), { code: 'EADDRINUSE' }));
  const bound = app.server.address() as AddressInfo;
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return {
    url: `http://${name}:${bound.port}`,
    moved: port !== 0 && bound.port !== port,
    close: () => app.close(),
  };
}

/** The wanted port, those after it, and any free one: a second run has a port that can be guessed. */
function portsFrom({ port, avoid = [] }: WebServerOptions): number[] {
  if (port === 0) return [0];
  const next = Array.from({ length: MORE_PORTS }, (_, i) => port + 1 + i);
  return [port, ...next.filter((each) => each <= MAX_PORT && !avoid.includes(each)), 0];
}

/** @returns undefined if the port is in use @throws ListenError if it can't be used for another reason */
async function listeningOn(
  port: number,
  options: WebServerOptions,
  addRoutes: (app: FastifyInstance) => void,
): Promise<FastifyInstance | undefined> {
  const app = build(addRoutes);
  try {
    await app.listen({ host: options.host, port });
    return app;
  } catch (error) {
    await app.close();
    if (codeOf(error) === 'EADDRINUSE') return undefined;
    throw listenError({ ...options, port }, error);
  }
}

function build(addRoutes: (app: FastifyInstance) => void): FastifyInstance {
  const app = fastify({
    bodyLimit: 1024,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 5_000,
    // A scraper's idle connection would delay close() until it times out.
    forceCloseConnections: true,
    http: { maxHeaderSize: 8192, headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS },
  });
  new ConnectionSlots(app.server);
  // Also called for paths that don't exist.
  app.addHook('onRequest', async ({ method }, reply) => {
    reply.headers(HEADERS);
    if (!METHODS.includes(method)) return reply.code(405).header('allow', METHODS.join(', ')).send();
  });
  addRoutes(app);
  return app;
}

/**
 * Checks the token, which programs send as a bearer and browsers as the password of any user name. Without a token, checks that the
 * request names this machine itself: a name of another site that resolves to it would let that site read the answers.
 */
export function guard(token: Token | undefined) {
  return async ({ headers, hostname }: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    reply.type('text/plain; charset=utf-8');
    if (token === undefined) {
      if (isOwnName(hostname)) return;
      return reply.code(421).send(OTHER_NAME);
    }
    if (token.equals(credentialIn(headers.authorization ?? ''))) return;
    reply.code(401).header('www-authenticate', ['Bearer realm="lockstep"', 'Basic realm="lockstep"']);
    return reply.send('A token is needed, as bearer or as password: the one of --metrics-token-file.\n');
  };
}

/** Node reads headers as Latin-1, whatever the bytes are. */
function credentialIn(authorization: string): Uint8Array {
  const [, scheme = '', credential = ''] = /^(Bearer|Basic) +(.*)$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return Buffer.from(credential, 'latin1');
  const pair = Buffer.from(credential, 'base64');
  return pair.subarray(pair.indexOf(':') + 1);
}

function listenError({ host, port, advice }: WebServerOptions, error: unknown): ListenError {
  const why = codeOf(error) === 'EADDRINUSE' ? 'is taken by another program' : `can't be opened (${String(error)})`;
  return new ListenError(`Port ${port} on ${host} ${why}. ${advice}`, { cause: error });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
