import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { ListenError, ProtocolError } from '../../shared/util/errors.ts';
import type { Token } from '../../shared/util/token.ts';
import { type CloseCode, closeCodes } from '../../shared/wire/close-codes.ts';
import { maxBytesFromNode } from '../../shared/wire/frames.ts';
import { admit, growPayload, HANDSHAKE_MS, UNKNOWN_PAYLOAD } from '../../shared/wire/greeting.ts';
import { ConnectionLimiter } from './connection-limiter.ts';
import { NodeRegistry, type NodeRegistryOptions, type WireCounts } from './node-registry.ts';

/** For a peer to take a close frame, and for nodes to take the good-bye. */
const CLOSE_MS = 1000;
const FAREWELL_MS = 500;

export interface HubOptions extends NodeRegistryOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly token: Token | undefined;
  /** PEM; undefined: plain WebSocket. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

/** Where remote nodes come in. Each connection proves that it holds the token before anything that it says is read. */
export class Hub {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #limiter: ConnectionLimiter;
  readonly #registry: NodeRegistry;
  readonly #options: HubOptions;
  readonly #runId = randomBytes(16);

  private constructor(server: Server, url: string, options: HubOptions) {
    this.#server = server;
    this.url = url;
    this.#options = options;
    this.#registry = new NodeRegistry(options);
    this.#limiter = new ConnectionLimiter(server);
    this.#sockets = new WebSocketServer({
      server,
      perMessageDeflate: false,
      maxPayload: UNKNOWN_PAYLOAD,
      // Else what comes in one packet with the proof is dropped before anybody listens to it.
      allowSynchronousEvents: false,
    });
    this.#sockets.on('connection', (socket, request) => void this.#greet(socket, request));
  }

  /** @throws ListenError where the address can't be bound */
  static async listen(options: HubOptions): Promise<Hub> {
    const { host, port, tls } = options;
    const server =
      tls === undefined ? createServer(refuse) : createTlsServer({ ...tls, handshakeTimeout: HANDSHAKE_MS }, refuse);
    server.listen(port, host);
    try {
      await once(server, 'listening');
    } catch (error) {
      throw new ListenError(
        `--listen: ${host}:${port} can't be bound: ${(error as Error).message}. Name another address, or port 0 for any free one.`,
        { cause: error },
      );
    }
    const bound = server.address() as AddressInfo;
    const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    return new Hub(server, `${tls === undefined ? 'ws' : 'wss'}://${name}:${bound.port}`, options);
  }

  get counts(): WireCounts {
    return this.#registry.counts;
  }

  /** Says good-bye to every node, and stops listening. */
  async close(reason: 'runOver' | 'stopping'): Promise<void> {
    this.#server.close();
    this.#registry.farewell(reason);
    const { clients } = this.#sockets;
    const until = performance.now() + FAREWELL_MS;
    while (clients.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of clients) socket.terminate();
    this.#sockets.close();
    this.#limiter.close();
  }

  async #greet(socket: WebSocket, { socket: connection }: IncomingMessage): Promise<void> {
    socket.on('error', () => {});
    try {
      if (!(await this.#limiter.mayAsk(connection))) {
        throw new ProtocolError('Too many connections.', { closeCode: 'tooMany' });
      }
      const { token, run } = this.#options;
      const seal = await admit(socket, { token, connection, runId: this.#runId });
      this.#limiter.admitted(connection);
      growPayload(socket, maxBytesFromNode(run.welcome) + seal.overhead);
      this.#registry.enter(socket, seal);
      socket.resume();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(socket, error.closeCode);
    }
  }

  #refuse(socket: WebSocket, rule: CloseCode): void {
    this.#registry.reject(rule);
    const { code, reason } = closeCodes[rule];
    socket.close(code, reason);
    setTimeout(() => socket.terminate(), CLOSE_MS).unref();
  }
}

/** Whoever speaks plain HTTP. */
function refuse(_: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(426, { Upgrade: 'websocket', Connection: 'close' })
    .end('lockstep worker --connect speaks WebSocket here.\n');
}
