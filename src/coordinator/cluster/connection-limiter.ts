import { RateLimiterMemory } from 'rate-limiter-flexible';
import { HANDSHAKE_MS, type Peer } from '../../shared/wire/transport.ts';

/** Unauthenticated connections. Beyond them a peer is closed with `tooMany`, and beyond twice as many it is dropped. */
const MAX_PENDING = 64;
/** Connections that one address may begin in so many seconds. */
const RATE = { points: 500, duration: 10 };

/**
 * Bounds what unauthenticated peers cost, from the first packet on: how many of their connections are open, how fast one address opens them, and
 * for how long each may stay unauthenticated, whether it speaks TLS, HTTP, WebSocket or nothing.
 */
export class ConnectionLimiter {
  /** Unauthenticated connections, each with its deadline. */
  readonly #pending = new Map<Peer, NodeJS.Timeout>();
  readonly #rate = new RateLimiterMemory(RATE);

  /** A connection was accepted. */
  add(peer: Peer): void {
    if (this.#pending.size >= 2 * MAX_PENDING) peer.drop();
    else this.#pending.set(peer, setTimeout(() => peer.drop(), 2 * HANDSHAKE_MS).unref());
  }

  /** Whether a connection may begin its handshake. */
  async mayBegin({ address }: Peer): Promise<boolean> {
    const isWithinRate = await this.#rate.consume(address).then(
      () => true,
      () => false,
    );
    return isWithinRate && this.#pending.size <= MAX_PENDING;
  }

  /** A connection is authenticated, or closed. */
  remove(peer: Peer): void {
    clearTimeout(this.#pending.get(peer));
    this.#pending.delete(peer);
  }
}
