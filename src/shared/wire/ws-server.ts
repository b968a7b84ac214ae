import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { isLoopback } from '../util/loopback.ts';
import { HANDSHAKE_MS, type Peer, type ServerHandlers, type TransportServer } from './transport.ts';
import { COMMON, WsTransport } from './ws-transport.ts';

// By require: to import node:http reads all of its exports, and on Node 22 one of them loads the HTTP client, whose WebAssembly memory takes
// gigabytes of addresses.
const require = createRequire(import.meta.url);
const { createServer } = require('node:http') as typeof import('node:http');
const { createServer: createTlsServer } = require('node:https') as typeof import('node:https');

/** Answers a web page that opens a WebSocket. */
const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

export interface WsListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM; undefined: without TLS. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  /** Refuses upgrades that name another host than loopback: a web page may have a name of its own lead to this machine. */
  readonly requiresLoopbackHost: boolean;
  /** The longest frame of a peer that has proved itself. */
  readonly maxFrameBytes: number;
}

/** Listens for WebSocket connections. @throws Error if the address can't be bound */
export async function listenForWebSockets(options: WsListenOptions): Promise<TransportServer> {
  const { host, port, tls } = options;
  const server =
    tls === undefined
      ? createServer(requireUpgrade)
      : createTlsServer({ ...tls, handshakeTimeout: HANDSHAKE_MS }, requireUpgrade);
  server.listen(port, host);
  await once(server, 'listening');
  return new WsServer(server, options);
}

class WsServer implements TransportServer {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #requiresLoopbackHost: boolean;
  /** By both ends' address, which a TLS connection shares with the TCP connection below it. */
  readonly #peers = new Map<string, Peer>();

  constructor(server: Server, { tls, requiresLoopbackHost, maxFrameBytes }: WsListenOptions) {
    this.#server = server;
    this.#requiresLoopbackHost = requiresLoopbackHost;
    const bound = server.address() as AddressInfo;
    const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    this.url = `${tls === undefined ? 'ws' : 'wss'}://${host}:${bound.port}`;
    this.#sockets = new WebSocketServer({ ...COMMON, noServer: true, maxPayload: maxFrameBytes });
    server.on('connection', refuse);
    // One that keeps a connection from being accepted, which its peer notices.
    server.on('error', () => {});
  }

  serve(handlers: ServerHandlers): void {
    this.#server.off('connection', refuse);
    this.#server.on('error', (error) => handlers.onFault(error));
    // The TCP connection, below TLS.
    this.#server.on('connection', (socket: Socket) =>
      isolated(socket, handlers, () => this.#connect(socket, handlers)),
    );
    this.#server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) =>
      isolated(stream, handlers, () => this.#upgrade({ request, stream, head }, handlers)),
    );
  }

  stop(): void {
    this.#server.close();
  }

  async end(graceMs: number): Promise<void> {
    const { clients } = this.#sockets;
    const closed = [...clients].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([Promise.all(closed), timeout]);
    clearTimeout(timer);
    for (const socket of clients) socket.terminate();
    // The server would wait for what the others have to say.
    for (const peer of this.#peers.values()) peer.drop();
    this.#sockets.close();
  }

  #connect(socket: Socket, handlers: ServerHandlers): void {
    const key = keyOf(socket);
    const peer: Peer = {
      address: socket.remoteAddress ?? '',
      get hasSpoken() {
        return socket.bytesRead > 0;
      },
      drop: () => socket.destroy(),
    };
    socket.on('error', () => {});
    this.#peers.set(key, peer);
    socket.once('close', () => {
      this.#peers.delete(key);
      isolated(socket, handlers, () => handlers.onDisconnect(peer));
    });
    handlers.onConnect(peer);
  }

  #upgrade({ request, stream, head }: Upgrade, handlers: ServerHandlers): void {
    const peer = this.#peers.get(keyOf(request.socket));
    stream.on('error', () => {});
    if (peer === undefined) stream.destroy();
    else if (!this.#allows(request)) stream.end(FORBIDDEN, () => stream.destroy());
    else
      this.#sockets.handleUpgrade(request, stream, head, (socket) =>
        handlers.onTransport(new WsTransport(socket, request.socket, (error) => handlers.onFault(error)), peer),
      );
  }

  /** Whether a program connects, and not a web page: browsers always send an Origin, and nodes never. */
  #allows({ headers: { origin, host = '' } }: IncomingMessage): boolean {
    return origin === undefined && (!this.#requiresLoopbackHost || isLoopback(host.toLowerCase().replace(/:\d+$/, '')));
  }
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly stream: Duplex;
  readonly head: Buffer;
}

/** Runs the handling of one connection: an error ends that connection alone. */
function isolated(stream: Duplex, { onFault }: ServerHandlers, action: () => void): void {
  try {
    action();
  } catch (error) {
    stream.destroy();
    onFault(error as Error);
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** Closes a connection for which nobody is there yet. */
function refuse(socket: Socket): void {
  socket.destroy();
}

/** Answers plain HTTP. */
function requireUpgrade(_: IncomingMessage, response: ServerResponse): void {
  response
    .writeHead(426, { Upgrade: 'websocket', Connection: 'close' })
    .end('lockstep worker --connect speaks WebSocket here.\n');
}
