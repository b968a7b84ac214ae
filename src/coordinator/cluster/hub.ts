import { randomBytes } from 'node:crypto';
import type { Token } from '../../shared/util/token.ts';
import { closeCodes, INTERNAL_ERROR } from '../../shared/wire/close-codes.ts';
import { handshakeAsCoordinator } from '../../shared/wire/perform-handshake.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import type { Peer, Transport, TransportServer } from '../../shared/wire/transport.ts';
import { ConnectionLimiter } from './connection-limiter.ts';
import { NodeRegistry, type NodeRegistryOptions, type WireCounts } from './node-registry.ts';

/**
 * Milliseconds for nodes to take the last message and to close; those that are silent are given up before. A node behind a slow link
 * that missed the end of the run would wait for it for ever.
 */
const END_MS = { runOver: 10_000, stopping: 2000 } as const;

export interface HubOptions extends NodeRegistryOptions {
  /** What listens already, by whatever transport. */
  readonly server: TransportServer;
  readonly token: Token | undefined;
}

/** Where remote nodes connect. Nothing that a connection sends is read before it has proved that it holds the token. */
export class Hub {
  readonly url: string;
  readonly #server: TransportServer;
  readonly #limiter = new ConnectionLimiter({ onTooMany: () => this.#registry.countRejection('tooMany') });
  readonly #registry: NodeRegistry;
  readonly #options: HubOptions;
  readonly #runId = randomBytes(16);

  constructor(options: HubOptions) {
    const { server } = options;
    this.#server = server;
    this.url = server.url;
    this.#options = options;
    this.#registry = new NodeRegistry(options);
    server.serve({
      onConnect: (peer) => this.#limiter.add(peer),
      onDisconnect: (peer) => this.#limiter.remove(peer),
      onTransport: (transport, peer) => void this.#admit(transport, peer),
      onFault: options.onFault,
    });
  }

  get counts(): WireCounts {
    return this.#registry.counts;
  }

  /** Tells every node why the run ends for it, and stops listening. */
  async close(reason: 'runOver' | 'stopping'): Promise<void> {
    this.#server.stop();
    this.#registry.close(reason);
    await this.#server.end(END_MS[reason]);
  }

  /** Authenticates a connection and hands it to the registry. Never rejects: what fails ends this connection alone. */
  async #admit(transport: Transport, peer: Peer): Promise<void> {
    try {
      const seal = await handshakeAsCoordinator(transport, { token: this.#options.token, runId: this.#runId });
      this.#limiter.authenticated(peer);
      this.#registry.add(transport, seal);
    } catch (error) {
      this.#refuse(transport, error as Error);
    }
  }

  #refuse(transport: Transport, error: Error): void {
    if (error instanceof ProtocolError) {
      this.#registry.countRejection(error.closeCode);
      const { code, reason } = closeCodes[error.closeCode];
      transport.close(code, reason);
    } else {
      transport.close(INTERNAL_ERROR, 'an internal error');
      this.#options.onFault(error);
    }
  }
}
