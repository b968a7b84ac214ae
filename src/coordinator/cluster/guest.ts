import type { WebSocket } from 'ws';
import { ProtocolError } from '../../shared/errors.ts';
import type { WeightsVersion } from '../../shared/executor.ts';
import { bytesOf } from '../../shared/protocol/floats.ts';
import { decodeFromNode, encode } from '../../shared/protocol/frames.ts';
import { Link } from '../../shared/protocol/link.ts';
import type { CoordinatorMessage, FromCoordinator, FromNode, NodeMessage } from '../../shared/protocol/messages.ts';
import type { Seal } from '../../shared/protocol/seal.ts';
import type { Cluster } from './cluster.ts';
import type { Piece } from './member.ts';
import { RemoteNode } from './remote-node.ts';

const HEARTBEAT_SECONDS = 1;
/** Without a word from a node it is taken for dead. */
const SILENCE_MS = 10_000;
/** For a node to say hello, and to be ready: it may have to fetch and check a data set. */
const HELLO_MS = 5000;
const READY_MS = 120_000;
/** For nodes to take the good-bye. */
const FAREWELL_MS = 500;

/** What every node of a run is told, and held to. */
export interface RunDescription {
  readonly welcome: Omit<CoordinatorMessage<'welcome'>, 'type' | 'heartbeatSeconds'>;
  readonly numerics: string;
  readonly canary: string;
  /** The data set's files, to send to nodes that lack it. */
  readonly dataParts: () => readonly Uint8Array[];
}

/** A node as people see it. */
export interface Guest {
  readonly name: string;
  readonly threads: number;
}

export interface GuestBookOptions {
  readonly cluster: Cluster;
  readonly run: RunDescription;
  readonly onJoin: (guest: Guest) => void;
  readonly onLeave: (guest: Guest, reason: string) => void;
}

/** All nodes that have come in, each from its hello to its last word. */
export class GuestBook {
  readonly #options: GuestBookOptions;
  readonly #visits = new Set<Visit>();
  readonly #names = new Map<string, string>();
  readonly #heartbeat: NodeJS.Timeout;
  #frame: { readonly of: WeightsVersion; readonly t: number; readonly bytes: Uint8Array } | undefined;

  constructor(options: GuestBookOptions) {
    this.#options = options;
    this.#heartbeat = setInterval(() => {
      for (const visit of this.#visits) visit.beat();
    }, 1000 * HEARTBEAT_SECONDS);
    this.#heartbeat.unref();
  }

  /** A connection that has proved that it may come in. */
  enter(socket: WebSocket, seal: Seal): void {
    const visit: Visit = new Visit(socket, seal, {
      ...this.#options,
      nameOf: (identity, host) => this.#nameOf(identity, host),
      weightsFrame: (piece) => this.#weightsFrame(piece),
      onReady: (node) => {
        // The same node again: its old connection is dead, though nobody has noticed yet.
        for (const other of this.#visits) if (other !== visit && other.identity === node.identity) other.replace();
      },
      onGone: () => this.#visits.delete(visit),
    });
    this.#visits.add(visit);
  }

  async close(reason: 'runOver' | 'stopping'): Promise<void> {
    clearInterval(this.#heartbeat);
    for (const visit of this.#visits) visit.farewell(reason);
    const until = performance.now() + FAREWELL_MS;
    while (this.#visits.size > 0 && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** A short name for metrics and people, the same whenever the node comes back: its host, numbered where that is taken. */
  #nameOf(identity: string, host: string): string {
    const known = this.#names.get(identity);
    if (known !== undefined) return known;
    const taken = new Set(this.#names.values());
    const plain = printable(host);
    let name = plain;
    for (let number = 2; taken.has(name) || name === 'local'; number++) name = `${plain}-${number}`;
    this.#names.set(identity, name);
    return name;
  }

  /** One immutable copy for all nodes: shared memory would change under a socket that is slow to send. */
  #weightsFrame({ t, weights }: Piece): Uint8Array {
    if (this.#frame?.of !== weights || this.#frame.t !== t) {
      this.#frame = { of: weights, t, bytes: encode({ type: 'weights', version: t, body: bytesOf(weights.values) }) };
    }
    return this.#frame.bytes;
  }
}

interface VisitOptions extends GuestBookOptions {
  readonly nameOf: (identity: string, host: string) => string;
  readonly weightsFrame: (piece: Piece) => Uint8Array;
  readonly onReady: (node: RemoteNode) => void;
  readonly onGone: () => void;
}

/** One node's connection: hello, welcome, the data where it lacks them, ready, work. */
class Visit {
  readonly #options: VisitOptions;
  readonly #link: Link<FromNode, FromCoordinator>;
  #node: RemoteNode | undefined;
  #isReady = false;
  /** It has said so, or has asked for them. */
  #hasData = false;
  #reason = '';
  #deadline: NodeJS.Timeout;

  constructor(socket: WebSocket, seal: Seal, options: VisitOptions) {
    this.#options = options;
    this.#link = new Link({
      ...{ socket, seal, encode },
      decode: (frame) => decodeFromNode(frame, options.run.welcome),
      onMessage: (message) => this.#receive(message),
      onClose: (code, reason) => this.#gone(`${code} ${reason}`.trim()),
    });
    this.#deadline = this.#expectWithin(HELLO_MS);
  }

  get identity(): string | undefined {
    return this.#node?.identity;
  }

  beat(): void {
    if (performance.now() - this.#link.heardAt > SILENCE_MS) this.#link.terminate();
    else this.#link.send({ type: 'ping', nonce: 0 });
  }

  replace(): void {
    this.#link.close('replaced');
    this.#gone('it connected again');
  }

  farewell(reason: 'runOver' | 'stopping'): void {
    // Nobody need be told that it goes.
    this.#isReady = false;
    this.#link.send({ type: 'end', reason });
    this.#link.close(reason);
  }

  #receive(message: FromNode): void {
    switch (message.type) {
      case 'hello':
        this.#hello(message);
        break;
      case 'needData':
        this.#sendData();
        break;
      case 'ready':
        this.#ready();
        break;
      case 'partials':
      case 'evaluated':
        this.#expectNode().receive(message);
        break;
      case 'failed':
        this.#expectNode().failed(message.message);
        break;
      case 'leaving':
        this.#reason = 'it left';
        this.#options.cluster.leave(this.#expectNode());
        break;
      case 'pong':
    }
  }

  #hello({ node, name, threads, numerics, canary }: NodeMessage<'hello'>): void {
    if (this.#node !== undefined) throw new ProtocolError('A second hello.', { closeCode: 'unexpected' });
    const { run, nameOf, weightsFrame } = this.#options;
    if (numerics !== run.numerics) throw otherNumerics('build', numerics, run.numerics);
    if (canary !== run.canary) throw otherNumerics('canary', canary, run.canary);
    const { parameters, testSamples, chunkSize } = run.welcome;
    this.#node = new RemoteNode({
      ...{ name: nameOf(node, name), identity: node, threads, parameters, testSamples },
      ...{ chunkSize, link: this.#link, weightsFrame },
    });
    this.#link.send({ type: 'welcome', ...run.welcome, heartbeatSeconds: HEARTBEAT_SECONDS });
    clearTimeout(this.#deadline);
    this.#deadline = this.#expectWithin(READY_MS);
  }

  #sendData(): void {
    this.#expectNode();
    if (this.#hasData) throw new ProtocolError('A request for data that it has.', { closeCode: 'unexpected' });
    this.#hasData = true;
    this.#sendPart(this.#options.run.dataParts(), 0);
  }

  /** One part behind the other: a node that doesn't read them holds the memory of one, and not of the whole set. */
  #sendPart(parts: readonly Uint8Array[], part: number): void {
    const body = parts[part];
    if (body === undefined) return;
    this.#link.send({ type: 'data', part, of: parts.length, body }, () => this.#sendPart(parts, part + 1));
  }

  #ready(): void {
    const node = this.#expectNode();
    if (this.#isReady) throw new ProtocolError('A second ready.', { closeCode: 'unexpected' });
    this.#isReady = true;
    this.#hasData = true;
    clearTimeout(this.#deadline);
    this.#options.onReady(node);
    this.#options.cluster.join(node);
    this.#options.onJoin(node);
  }

  #expectNode(): RemoteNode {
    if (this.#node !== undefined) return this.#node;
    throw new ProtocolError('Expected a hello first.', { closeCode: 'unexpected' });
  }

  #expectWithin(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => this.#link.close('timeout'), milliseconds).unref();
  }

  #gone(reason: string): void {
    clearTimeout(this.#deadline);
    this.#options.onGone();
    const node = this.#node;
    if (node === undefined) return;
    this.#node = undefined;
    this.#options.cluster.leave(node);
    node.lost();
    if (this.#isReady) this.#options.onLeave(node, this.#reason || printable(reason));
  }
}

/** A peer's words for the terminal, which they could otherwise steer, or forge lines in. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}

function otherNumerics(what: string, came: string, expected: string): ProtocolError {
  return new ProtocolError(`${what} ${came.slice(0, 12)}, not ${expected.slice(0, 12)}`, { closeCode: 'numerics' });
}
