import type { WebSocket } from 'ws';
import { ProtocolError } from '../../shared/util/errors.ts';
import { printable } from '../../shared/util/printable.ts';
import type { CloseCode } from '../../shared/wire/close-codes.ts';
import { decodeFromNode, encode } from '../../shared/wire/frames.ts';
import { Link, type Meter } from '../../shared/wire/link.ts';
import type { FromCoordinator, FromNode, NodeMessage } from '../../shared/wire/messages.ts';
import type { Seal } from '../../shared/wire/seal.ts';
import type { NodeInfo, NodeRecord, NodeRegistryOptions } from './node-registry.ts';
import { RemoteNode, type RemoteNodeOptions } from './remote-node.ts';
import { SelfReport } from './self-report.ts';

export const HEARTBEAT_SECONDS = 1;
/** Without a word from a node it is taken for dead. */
const SILENCE_MS = 10_000;
/** For a node to say hello, and to be ready: it may have to fetch and check a data set. */
const HELLO_MS = 5000;
const READY_MS = 120_000;
/** For the answer to a piece of work, which others have long done by then. */
const ANSWER_MS = 60_000;

export interface NodeConnectionOptions extends Omit<NodeRegistryOptions, 'onForget'> {
  readonly meter: Meter;
  readonly meet: (identity: string, host: string) => NodeRecord;
  readonly weightsFrame: RemoteNodeOptions['weightsFrame'];
  readonly onReady: (node: RemoteNode) => void;
  /** `rule`: what it was closed for, where this side closed. */
  readonly onGone: (identity: string | undefined, rule: CloseCode | undefined) => void;
}

/** One node's connection: hello, welcome, the data where it lacks them, ready, work. */
export class NodeConnection {
  readonly #options: NodeConnectionOptions;
  readonly #link: Link<FromNode, FromCoordinator>;
  #node: RemoteNode | undefined;
  #record: NodeRecord | undefined;
  #info: NodeInfo | undefined;
  #report: SelfReport | undefined;
  /** As it was told last. */
  #workersReady = 0;
  /** It has said so, or has asked for them. */
  #hasData = false;
  #isReady = false;
  #isLeaving = false;
  #deadline: NodeJS.Timeout;

  constructor(socket: WebSocket, seal: Seal, options: NodeConnectionOptions) {
    this.#options = options;
    this.#link = new Link({
      ...{ socket, seal, encode, meter: options.meter },
      decode: (frame) => decodeFromNode(frame, options.run.welcome),
      onMessage: (message) => this.#receive(message),
      onClose: (code, reason, rule) => this.#gone(`${code} ${reason}`.trim(), rule),
    });
    this.#deadline = this.#expectWithin(HELLO_MS);
  }

  get identity(): string | undefined {
    return this.#node?.identity;
  }

  beat(): void {
    if (performance.now() - this.#link.heardAt > SILENCE_MS) this.#link.terminate();
    else if ((this.#node?.pendingMs ?? 0) > ANSWER_MS) this.#link.close('timeout', 'it owes an answer');
    else this.#link.send({ type: 'ping', nonce: 0 });
  }

  /** It is connected anew. */
  replace(): void {
    this.#link.close('replaced');
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
        this.#record?.budget.earn();
        break;
      case 'failed':
        this.#expectNode().failed(message.message);
        this.#spend();
        break;
      case 'leaving':
        this.#isLeaving = true;
        this.#options.cluster.leave(this.#expectNode());
        break;
      case 'pong':
        this.#pong(message);
    }
  }

  #hello({ node, name, threads, numerics, selfTest }: NodeMessage<'hello'>): void {
    if (this.#node !== undefined) throw new ProtocolError('A second hello.', { closeCode: 'unexpected' });
    const { run, meet, weightsFrame } = this.#options;
    if (numerics !== run.numerics) throw otherNumerics('build', numerics, run.numerics);
    if (selfTest !== run.selfTest) throw otherNumerics('canary', selfTest, run.selfTest);
    const record = meet(node, name);
    if (record.budget.isSpent) throw unreliable();
    const { parameters, testSamples, chunkSize } = run.welcome;
    this.#record = record;
    this.#info = { name: record.name, threads, figures: record.figures };
    this.#workersReady = threads;
    this.#report = new SelfReport(record.figures, threads);
    this.#node = new RemoteNode({
      ...{ name: record.name, identity: node, threads, parameters, testSamples },
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
    if (!this.#isLeaving) this.#options.cluster.join(node);
    this.#options.onJoin(this.#info as NodeInfo);
  }

  #pong(message: NodeMessage<'pong'>): void {
    this.#expectNode();
    this.#report?.take(message);
    const { workersReady } = message;
    if (!this.#isReady || workersReady === this.#workersReady) return;
    this.#workersReady = workersReady;
    this.#options.onWorkers(this.#info as NodeInfo, workersReady);
  }

  #expectNode(): RemoteNode {
    if (this.#node !== undefined) return this.#node;
    throw new ProtocolError('Expected a hello first.', { closeCode: 'unexpected' });
  }

  #expectWithin(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => this.#link.close('timeout'), milliseconds).unref();
  }

  #spend(): void {
    const budget = this.#record?.budget;
    budget?.spend();
    if (budget?.isSpent) throw unreliable();
  }

  #gone(reason: string, rule: CloseCode | undefined): void {
    clearTimeout(this.#deadline);
    const node = this.#node;
    const wasReady = this.#isReady;
    this.#node = undefined;
    this.#isReady = false;
    if (node !== undefined) {
      this.#options.cluster.leave(node);
      node.lost();
      if (wasReady && !this.#isLeaving && rule !== 'replaced') this.#record?.budget.spend();
    }
    this.#options.onGone(node?.identity, rule);
    const info = this.#info;
    if (info === undefined || !wasReady) return;
    if (this.#isLeaving) this.#options.onLeave(info, 'left', 'it left');
    else this.#options.onLeave(info, isForItsDeeds(rule) ? 'closed' : 'lost', printable(reason));
  }
}

/** Whether this side closed it for what it did: not where it was silent, or is here anew. */
function isForItsDeeds(rule: CloseCode | undefined): boolean {
  return rule !== undefined && rule !== 'timeout' && rule !== 'replaced';
}

function otherNumerics(what: string, came: string, expected: string): ProtocolError {
  return new ProtocolError(`${what} ${came.slice(0, 12)}, not ${expected.slice(0, 12)}`, { closeCode: 'numerics' });
}

function unreliable(): ProtocolError {
  return new ProtocolError('it may be started anew', { closeCode: 'unreliable' });
}
