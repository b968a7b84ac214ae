import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { HANDSHAKE_MS } from '../../shared/wire/greeting.ts';

/** Connections that haven't proved anything yet: more are told to come again, and twice as many are dropped. */
const MAX_UNKNOWN = 64;
/** Connections that one address may begin in so many seconds. */
const RATE = { points: 500, duration: 10 };

/**
 * Bounds what strangers cost, from the first packet on: how many of their connections are open, how fast one address opens them, and
 * for how long each may prove nothing, whether it speaks TLS, HTTP, WebSocket or not at all.
 */
export class ConnectionLimiter {
  readonly #unknown = new Map<string, { readonly socket: Socket; readonly deadline: NodeJS.Timeout }>();
  readonly #rate = new RateLimiterMemory(RATE);

  constructor(server: Server) {
    // The TCP connection, below TLS.
    server.on('connection', (socket: Socket) => this.#enter(socket));
  }

  /** Whether a connection may go on to prove itself. */
  async mayAsk({ remoteAddress = '' }: Socket): Promise<boolean> {
    const isSlow = await this.#rate.consume(remoteAddress).then(
      () => true,
      () => false,
    );
    return isSlow && this.#unknown.size <= MAX_UNKNOWN;
  }

  /** It has proved itself. */
  admitted(socket: Socket): void {
    this.#forget(keyOf(socket));
  }

  /** Drops all that are open: the server, once closed, would wait for what they have to say. */
  close(): void {
    for (const { socket } of this.#unknown.values()) socket.destroy();
  }

  #enter(socket: Socket): void {
    if (this.#unknown.size >= 2 * MAX_UNKNOWN) {
      socket.destroy();
      return;
    }
    const key = keyOf(socket);
    const deadline = setTimeout(() => socket.destroy(), 2 * HANDSHAKE_MS).unref();
    this.#unknown.set(key, { socket, deadline });
    socket.once('close', () => this.#forget(key));
  }

  #forget(key: string): void {
    clearTimeout(this.#unknown.get(key)?.deadline);
    this.#unknown.delete(key);
  }
}

/** The same for a TLS socket and the TCP socket below it. */
function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
