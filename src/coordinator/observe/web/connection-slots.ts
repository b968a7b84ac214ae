import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopback } from '../../../shared/util/loopback.ts';
import { networkOf } from '../../../shared/util/network.ts';

/** Connections at once, from everywhere and from other machines: the rest is this machine's own, such as a liveness probe's. */
const MAX_CONNECTIONS = 64;
const MAX_REMOTE = 48;
const MAX_PER_NETWORK = 40;

interface Origin {
  readonly network: string;
  /** Whether it is this machine. */
  readonly isLocal: boolean;
}

/**
 * Bounds the connections of a web server. If there are too many, a new one replaces the oldest one on which no request is being
 * answered, so that connections that send nothing, or their headers slowly, keep nobody out.
 */
export class ConnectionSlots {
  /** The requests that are being answered, by connection; the oldest connection is first. */
  readonly #open = new Map<Socket, number>();
  /** Kept, because a closed socket has no address any more. */
  readonly #origins = new WeakMap<Socket, Origin>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.#admit(socket));
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    });
  }

  #admit(socket: Socket): void {
    const { remoteAddress = '' } = socket;
    const network = networkOf(remoteAddress);
    const origin = { network, isLocal: isLoopback(remoteAddress) || isLoopback(network) };
    this.#origins.set(socket, origin);
    if (this.#makeRoomFor(origin)) {
      this.#open.set(socket, 0);
      socket.once('close', () => this.#open.delete(socket));
    } else socket.destroy();
  }

  /** Closes a connection if there are too many. Returns false if all of them are in use. */
  #makeRoomFor({ network, isLocal }: Origin): boolean {
    const own = this.#from((origin) => origin.network === network);
    if (own.length >= MAX_PER_NETWORK) return this.#closeOne(own);
    const rivals = this.#from((origin) => isLocal || !origin.isLocal);
    if (rivals.length < (isLocal ? MAX_CONNECTIONS : MAX_REMOTE)) return true;
    const counts = new Map<string, number>();
    const countOf = (socket: Socket): number => counts.get(this.#originOf(socket).network) ?? 0;
    for (const rival of rivals) counts.set(this.#originOf(rival).network, countOf(rival) + 1);
    // The sort is stable: the oldest one of the network that has the most comes first.
    return this.#closeOne(rivals.toSorted((a, b) => countOf(b) - countOf(a)));
  }

  #closeOne(sockets: readonly Socket[]): boolean {
    const unused = sockets.find((socket) => this.#open.get(socket) === 0);
    if (unused === undefined) return false;
    this.#open.delete(unused);
    unused.destroy();
    return true;
  }

  #from(isMeant: (origin: Origin) => boolean): Socket[] {
    return [...this.#open.keys()].filter((socket) => isMeant(this.#originOf(socket)));
  }

  #originOf(socket: Socket): Origin {
    return this.#origins.get(socket) as Origin;
  }

  #count(socket: Socket, change: 1 | -1): void {
    const requests = this.#open.get(socket);
    if (requests !== undefined) this.#open.set(socket, requests + change);
  }
}
