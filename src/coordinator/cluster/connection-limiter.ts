import { networkOf } from '../../shared/util/network.ts';
import { HANDSHAKE_MS, type Peer } from '../../shared/wire/transport.ts';

/** Unauthenticated connections of one address, and of all. */
const MAX_OF_ADDRESS = 64;
const MAX_PENDING = 512;
/** Time in which a connection must send its first byte, and in which it must be authenticated. */
const FIRST_BYTE_MS = 2000;
const DEADLINE_MS = 2 * HANDSHAKE_MS;
/** The first packet of a younger connection may still be on its way. */
const YOUNG_MS = 500;
/** Connections that one address may begin at once, and how many more in each second. */
const MAX_CONNECTIONS = 1000;
/** Connections beyond those that an address may begin after one of its peers has authenticated itself. */
const CREDIT = 16;
/** Addresses that are remembered, besides those from which a peer has authenticated itself. */
const MAX_ADDRESSES = 10_000;

/** What is known of an address; of a network of 64 bits for IPv6, in which one machine may have any address. */
interface Origin {
  /** Its unauthenticated connections, the oldest first. */
  readonly pending: Set<Peer>;
  /** Connections that it may begin, as of `at`, in milliseconds. */
  allowance: number;
  at: number;
  /** Above 0: one of its peers has authenticated itself. */
  credit: number;
}

interface Pending {
  readonly origin: Origin;
  readonly since: number;
  deadline: NodeJS.Timeout;
}

export interface ConnectionLimiterOptions {
  /** A connection was dropped because there were too many. */
  readonly onTooMany: () => void;
  /** Milliseconds. */
  readonly now?: () => number;
}

/**
 * Bounds what unauthenticated peers cost, from the first packet on: how many of their connections are open, how fast one address opens them,
 * and for how long each may stay unauthenticated, whether it speaks TLS, HTTP, WebSocket or nothing. If there are too many, the newest is
 * let in and an old one is dropped: a peer that holds the token needs a moment, and one that doesn't can't keep its place.
 */
export class ConnectionLimiter {
  readonly #options: ConnectionLimiterOptions;
  readonly #now: () => number;
  readonly #pending = new Map<Peer, Pending>();
  /** By network, the one that was seen first at the front. */
  readonly #origins = new Map<string, Origin>();

  constructor(options: ConnectionLimiterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** A connection was accepted. */
  add(peer: Peer): void {
    const origin = this.#originOf(peer);
    if (!this.#mayBegin(origin)) {
      this.#options.onTooMany();
      peer.drop();
      return;
    }
    const deadline = setTimeout(() => this.#expectByte(peer), FIRST_BYTE_MS).unref();
    this.#pending.set(peer, { origin, since: this.#now(), deadline });
    origin.pending.add(peer);
    if (origin.pending.size > MAX_OF_ADDRESS) this.#evictFrom(origin);
    else if (this.#pending.size > MAX_PENDING) this.#evictFrom(this.#busiest());
  }

  /** A connection is authenticated. */
  authenticated(peer: Peer): void {
    this.#originOf(peer).credit = CREDIT;
    this.remove(peer);
  }

  /** A connection is closed. */
  remove(peer: Peer): void {
    const pending = this.#pending.get(peer);
    if (pending === undefined) return;
    clearTimeout(pending.deadline);
    pending.origin.pending.delete(peer);
    this.#pending.delete(peer);
  }

  #originOf({ address }: Peer): Origin {
    const network = networkOf(address);
    const known = this.#origins.get(network);
    if (known !== undefined) return known;
    const origin = { pending: new Set<Peer>(), allowance: MAX_CONNECTIONS, at: this.#now(), credit: 0 };
    this.#origins.set(network, origin);
    if (this.#origins.size > MAX_ADDRESSES) this.#forgetOne();
    return origin;
  }

  #mayBegin(origin: Origin): boolean {
    const now = this.#now();
    const earned = ((now - origin.at) / 1000) * MAX_CONNECTIONS;
    origin.allowance = Math.min(MAX_CONNECTIONS, origin.allowance + earned);
    origin.at = now;
    if (origin.allowance >= 1) origin.allowance--;
    else if (origin.credit >= 1) origin.credit--;
    else return false;
    return true;
  }

  /** Drops an origin's oldest silent connection; its oldest if all of them have sent something or are young. */
  #evictFrom({ pending }: Origin): void {
    const isSilent = (peer: Peer): boolean =>
      !peer.hasSpoken && this.#now() - (this.#pending.get(peer)?.since ?? 0) > YOUNG_MS;
    const [oldest] = pending;
    const victim = [...pending].find(isSilent) ?? oldest;
    if (victim === undefined) return;
    this.#options.onTooMany();
    this.#drop(victim);
  }

  /** The origin of most connections, if possible one that has never authenticated itself. */
  #busiest(): Origin {
    const weightOf = ({ credit, pending }: Origin): number => (credit > 0 ? 0 : pending.size);
    const origins = [...this.#pending.values()].map(({ origin }) => origin);
    return origins.reduce((most, origin) => (weightOf(origin) > weightOf(most) ? origin : most));
  }

  #expectByte(peer: Peer): void {
    const pending = this.#pending.get(peer);
    if (pending === undefined) return;
    if (!peer.hasSpoken) this.#drop(peer);
    else pending.deadline = setTimeout(() => this.#drop(peer), DEADLINE_MS - FIRST_BYTE_MS).unref();
  }

  #drop(peer: Peer): void {
    this.remove(peer);
    peer.drop();
  }

  /** Forgets the origin that was seen first among those that have neither connections nor credit. */
  #forgetOne(): void {
    for (const [network, { pending, credit }] of this.#origins) {
      if (pending.size > 0 || credit > 0) continue;
      this.#origins.delete(network);
      return;
    }
  }
}
