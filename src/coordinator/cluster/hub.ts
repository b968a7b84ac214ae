import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { ListenError, ProtocolError } from '../../shared/errors.ts';
import { closeCodes } from '../../shared/protocol/close-codes.ts';
import { maxBytesFromNode } from '../../shared/protocol/frames.ts';
import { admit, growPayload, UNKNOWN_PAYLOAD } from '../../shared/protocol/greeting.ts';
import type { Token } from '../../shared/protocol/token.ts';
import type { Cluster } from './cluster.ts';
import { type Guest, GuestBook, type RunDescription } from './guest.ts';

/** Connections that haven't proved anything yet. */
const MAXIMUM_UNKNOWN = 64;

export interface HubOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly token: Token | undefined;
  /** PEM; undefined: plain WebSocket. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly cluster: Cluster;
  readonly run: RunDescription;
  readonly onJoin: (guest: Guest) => void;
  /** With what led to it. */
  readonly onLeave: (guest: Guest, reason: string) => void;
}

/** Where remote nodes come in. Each connection proves that it holds the token before anything that it says is read. */
export class Hub {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #guests: GuestBook;
  readonly #options: HubOptions;
  readonly #runId = randomBytes(16);
  #unknown = 0;

  private constructor(server: Server, url: string, options: HubOptions) {
    this.#server = server;
    this.url = url;
    this.#options = options;
    this.#guests = new GuestBook(options);
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
    const server = tls === undefined ? createServer() : createTlsServer(tls);
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

  /** Says good-bye to every node, and stops listening. */
  async close(reason: 'runOver' | 'stopping'): Promise<void> {
    this.#server.close();
    await this.#guests.close(reason);
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
  }

  async #greet(socket: WebSocket, request: IncomingMessage): Promise<void> {
    socket.on('error', () => {});
    if (this.#unknown >= MAXIMUM_UNKNOWN) {
      socket.close(closeCodes.tooMany.code, closeCodes.tooMany.reason);
      return;
    }
    this.#unknown++;
    try {
      const { token, run } = this.#options;
      const seal = await admit(socket, { token, connection: request.socket, runId: this.#runId });
      growPayload(socket, maxBytesFromNode(run.welcome) + seal.overhead);
      this.#guests.enter(socket, seal);
      socket.resume();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const { code, reason } = closeCodes[error.closeCode];
      socket.close(code, reason);
      setTimeout(() => socket.terminate(), 1000).unref();
    } finally {
      this.#unknown--;
    }
  }
}
