import { randomBytes } from 'node:crypto';
import { ListenError } from '../../shared/util/errors.ts';
import type { Token } from '../../shared/util/token.ts';
import { closeCodes, INTERNAL_ERROR } from '../../shared/wire/close-codes.ts';
import { maxBytesFromNode } from '../../shared/wire/frames.ts';
import { handshakeAsCoordinator } from '../../shared/wire/perform-handshake.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { SEAL_BYTES } from '../../shared/wire/seal.ts';
import type { Peer, Transport, TransportServer } from '../../shared/wire/transport.ts';
import { listenForWebSockets } from '../../shared/wire/ws-server.ts';
import { ConnectionLimiter } from './connection-limiter.ts';
import { NodeRegistry, type NodeRegistryOptions, type WireCounts } from './node-registry.ts';

/** Time for nodes to take the last message and to close. */
const END_MS = 500;

export interface HubOptions extends NodeRegistryOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly token: Token | undefined;
  /** PEM; undefined: without TLS. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
}

/** Where remote nodes connect. Nothing that a connection sends is read before it has proved that it holds the token. */
export class Hub {
  readonly url: string;
  readonly #server: TransportServer;
  readonly #limiter = new ConnectionLimiter({ onTooMany: () => this.#registry.countRejection('tooMany') });
  readonly #registry: NodeRegistry;
  readonly #options: HubOptions;
  readonly #runId = randomBytes(16);

  private constructor(server: TransportServer, options: HubOptions) {
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

  /** @throws ListenError if the address can't be bound */
  static async listen(options: HubOptions): Promise<Hub> {
    const { host, port, token, tls, run } = options;
    const maxFrameBytes = maxBytesFromNode(run.welcome) + SEAL_BYTES;
    const requiresLoopbackHost = token === undefined;
    const listening = listenForWebSockets({ host, port, tls, requiresLoopbackHost, maxFrameBytes });
    const server = await listening.catch((error: Error) => {
      throw new ListenError(
        `--listen: ${host}:${port} can't be bound: ${error.message}. Name another address, or port 0 for any free one.`,
        { cause: error },
      );
    });
    return new Hub(server, options);
  }

  get counts(): WireCounts {
    return this.#registry.counts;
  }

  /** Tells every node why the run ends for it, and stops listening. */
  async close(reason: 'runOver' | 'stopping'): Promise<void> {
    this.#server.stop();
    this.#registry.close(reason);
    await this.#server.end(END_MS);
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
