import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopback } from '../../../shared/util/loopback.ts';

/** Connections at once, from everywhere and from other machines: the rest is this machine's own, such as a liveness probe's. */
const MAX_CONNECTIONS = 64;
const MAX_REMOTE = 48;
const MAX_PER_ADDRESS = 40;

/**
 * Bounds the connections of a web server. If there are too many, a new one replaces the oldest one on which no request is being
 * answered, so that connections that send nothing, or their headers slowly, keep nobody out.
 */
export class ConnectionSlots {
  /** The requests that are being answered, by connection; the oldest connection is first. */
  readonly #open = new Map<Socket, number>();
  /** Kept, because a closed socket has no address any more. */
  readonly #addresses = new WeakMap<Socket, string>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.#admit(socket));
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    });
  }

  #admit(socket: Socket): void {
    const address = (socket.remoteAddress ?? '').replace(/^::ffff:/i, '');
    this.#addresses.set(socket, address);
    if (this.#makeRoomFor(address)) {
      this.#open.set(socket, 0);
      socket.once('close', () => this.#open.delete(socket));
    } else socket.destroy();
  }

  /** Closes a connection if there are too many. Returns false if all of them are in use. */
  #makeRoomFor(address: string): boolean {
    const own = this.#from((other) => other === address);
    if (own.length >= MAX_PER_ADDRESS) return this.#closeOne(own);
    const isLocal = isLoopback(address);
    const rivals = this.#from((other) => isLocal || !isLoopback(other));
    if (rivals.length < (isLocal ? MAX_CONNECTIONS : MAX_REMOTE)) return true;
    const counts = new Map<string, number>();
    for (const rival of rivals) counts.set(this.#addressOf(rival), (counts.get(this.#addressOf(rival)) ?? 0) + 1);
    // The sort is stable: the oldest one of the address that has the most comes first.
    const most = rivals.toSorted(
      (a, b) => (counts.get(this.#addressOf(b)) ?? 0) - (counts.get(this.#addressOf(a)) ?? 0),
    );
    return this.#closeOne(most);
  }

  #closeOne(sockets: readonly Socket[]): boolean {
    const unused = sockets.find((socket) => this.#open.get(socket) === 0);
    if (unused === undefined) return false;
    this.#open.delete(unused);
    unused.destroy();
    return true;
  }

  #from(isMeant: (address: string) => boolean): Socket[] {
    return [...this.#open.keys()].filter((socket) => isMeant(this.#addressOf(socket)));
  }

  #addressOf(socket: Socket): string {
    return this.#addresses.get(socket) ?? '';
  }

  #count(socket: Socket, change: 1 | -1): void {
    const requests = this.#open.get(socket);
    if (requests !== undefined) this.#open.set(socket, requests + change);
  }
}
