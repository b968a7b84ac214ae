import { printable } from '../../shared/util/printable.ts';
import { shortDigest } from '../../shared/util/shown-path.ts';
import { Transfer } from '../../shared/util/transfer.ts';
import { type CloseCode, closeText } from '../../shared/wire/close-codes.ts';
import { decodeFromNode, encode } from '../../shared/wire/frames.ts';
import { Link, type Meter } from '../../shared/wire/link.ts';
import {
  type FromCoordinator,
  type FromNode,
  HEARTBEAT_SECONDS,
  MAX_PARTS_ASKED,
  type NodeMessage,
  PART_BYTES,
} from '../../shared/wire/messages.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import type { Seal } from '../../shared/wire/seal.ts';
import type { Transport } from '../../shared/wire/transport.ts';
import type { Cluster } from './cluster.ts';
import type { NodeEvents, NodeInfo, NodeRecord, RunDescription } from './node-info.ts';
import { RemoteNode, type RemoteNodeOptions } from './remote-node.ts';
import { SelfReport } from './self-report.ts';

/** Heartbeats in which a node must say hello. */
const HELLO_BEATS = 5;
/** Heartbeats in which a node must be ready, or ask for another part of the data set. */
const READY_BEATS = 120;

export interface NodeConnectionOptions extends NodeEvents {
  readonly transport: Transport;
  readonly seal: Seal;
  readonly cluster: Cluster;
  readonly run: RunDescription;
  readonly meter: Meter;
  /** The record of the node that says hello. */
  readonly register: (identity: string, host: string) => NodeRecord;
  readonly weightsFrame: RemoteNodeOptions['weightsFrame'];
  /** The node is ready, before it is given work. */
  readonly onReady: (identity: string) => void;
  /** @param identity undefined before its hello @param rule the rule by which this side closed, if it did */
  readonly onClose: (identity: string | undefined, rule: CloseCode | undefined) => void;
}

/** One node's connection after the handshake: hello, welcome, the data set if the node lacks it, ready, work. */
export class NodeConnection {
  readonly #options: NodeConnectionOptions;
  readonly #link: Link<FromNode, FromCoordinator>;
  #node: RemoteNode | undefined;
  #record: NodeRecord | undefined;
  #info: NodeInfo | undefined;
  #report: SelfReport | undefined;
  /** As the node reported last. */
  #workersReady = 0;
  /** Parts of the data set that the node has asked for and that wait to be sent. */
  #partsWaiting = 0;
  #transfer: Transfer | undefined;
  #isReady = false;
  #isLeaving = false;
  /** What the node must do next, and the heartbeats that it has left for that. */
  #awaited = 'a hello';
  #beatsLeft = HELLO_BEATS;

  constructor(options: NodeConnectionOptions) {
    this.#options = options;
    const { transport, seal, meter, onFault } = options;
    this.#link = new Link<FromNode, FromCoordinator>({
      transport,
      seal,
      encode,
      decode: (frame) => decodeFromNode(frame, options.run.welcome),
      onMessage: (message) => this.#receive(message),
      farewell: (reason) => ({ type: 'end', reason }),
      onClose: (code, reason, rule) => this.#closed(closeText(code, reason), rule),
      onFault,
      meter,
    });
  }

  get identity(): string | undefined {
    return this.#node?.identity;
  }

  /** Asks the node how it is, and ends the connection if it has been silent or owes something for too long. */
  beat(): void {
    this.#link.run(() => {
      if (!this.#link.beat()) return;
      this.#node?.beat();
      if (--this.#beatsLeft < 0) this.#link.close('timeout', `expected ${this.#awaited}`);
      else this.#link.send({ type: 'ping' });
    });
  }

  /** The node has connected again. */
  replace(): void {
    this.#link.close('replaced');
  }

  /** The coordinator ends the connection. */
  end(reason: 'runOver' | 'stopping'): void {
    // Its leaving is no event.
    this.#isReady = false;
    this.#link.close(reason);
  }

  #receive(message: FromNode): void {
    switch (message.type) {
      case 'hello':
        this.#hello(message);
        break;
      case 'needData':
        this.#sendPart(message);
        break;
      case 'ready':
        this.#ready();
        break;
      case 'partials':
      case 'states':
      case 'evaluated':
        this.#expectNode().receive(message);
        this.#record?.budget.earn();
        break;
      case 'failed':
        this.#expectNode().failed(message);
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
    if (this.#node !== undefined) throw unexpected('a second hello');
    const { run, register, weightsFrame } = this.#options;
    const difference = differenceOf({ numerics, selfTest }, run);
    if (difference !== undefined) {
      this.#options.onRefused(printable(name), difference);
      throw new ProtocolError(difference, { closeCode: 'numerics' });
    }
    const record = register(node, name);
    if (record.budget.isSpent) throw unreliable();
    const { parameters, vectors, testSamples, validationSamples, chunkSize } = run.welcome;
    this.#record = record;
    this.#info = { name: record.name, threads, figures: record.figures };
    this.#workersReady = threads;
    this.#report = new SelfReport(record.figures, threads);
    this.#node = new RemoteNode({
      name: record.name,
      identity: node,
      threads,
      parameters,
      vectors,
      testSamples,
      validationSamples,
      chunkSize,
      shardSize: run.shardSize,
      shards: run.shards,
      replicas: run.replicas,
      classes: run.classes,
      hasAccuracy: run.hasAccuracy,
      maxLoss: run.maxLoss,
      link: this.#link,
      weightsFrame,
    });
    this.#link.send({ type: 'welcome', ...run.welcome, heartbeatSeconds: HEARTBEAT_SECONDS });
    this.#await('ready', READY_BEATS);
  }

  /** The node asks for a few parts at a time, as its link carries them: they take little memory, and other messages get through. */
  #sendPart({ part }: NodeMessage<'needData'>): void {
    this.#expectNode();
    const parts = this.#options.run.dataParts();
    const body = parts.at(part);
    if (this.#isReady || body === undefined)
      throw unexpected(`a request for part ${part} of ${parts.length} of the data`);
    if (++this.#partsWaiting > MAX_PARTS_ASKED) throw unexpected('too many requests for data at once');
    this.#await('ready, or another request for data', READY_BEATS);
    this.#link.send({ type: 'data', part, of: parts.length, body }, () => this.#partsWaiting--);
    this.#transfer ??= this.#transferFrom(part);
    this.#transfer.reach(part * PART_BYTES);
  }

  #transferFrom(part: number): Transfer {
    const info = this.#info as NodeInfo;
    return new Transfer({
      total: this.#options.run.welcome.dataBytes,
      begin: part * PART_BYTES,
      print: (progress) => this.#options.onDownload(info, progress),
    });
  }

  #ready(): void {
    const node = this.#expectNode();
    if (this.#isReady) throw unexpected('a second ready');
    this.#isReady = true;
    this.#beatsLeft = Number.POSITIVE_INFINITY;
    this.#options.onReady(node.identity);
    if (!this.#isLeaving) this.#options.cluster.join(node);
    this.#options.onJoin(this.#info as NodeInfo);
  }

  #pong(message: NodeMessage<'pong'>): void {
    this.#report?.take(message);
    this.#expectNode().heard(message);
    const { workersReady } = message;
    if (!this.#isReady || workersReady === this.#workersReady) return;
    this.#workersReady = workersReady;
    this.#options.onWorkers(this.#info as NodeInfo, workersReady);
  }

  #expectNode(): RemoteNode {
    if (this.#node === undefined) throw unexpected('another message before its hello');
    return this.#node;
  }

  #await(what: string, beats: number): void {
    this.#awaited = what;
    this.#beatsLeft = beats;
  }

  #spend(): void {
    const budget = this.#record?.budget;
    budget?.spend();
    if (budget?.isSpent) throw unreliable();
  }

  #closed(reason: string, rule: CloseCode | undefined): void {
    const node = this.#node;
    const wasReady = this.#isReady;
    this.#node = undefined;
    this.#isReady = false;
    if (node !== undefined) {
      this.#options.cluster.leave(node);
      node.lost();
      if (wasReady && !this.#isLeaving && rule !== 'replaced') this.#record?.budget.spend();
    }
    this.#options.onClose(node?.identity, rule);
    const info = this.#info;
    if (info !== undefined && !wasReady && this.#transfer !== undefined)
      this.#options.onDownload(info, `its connection ended (${printable(reason)})`);
    if (info === undefined || !wasReady) return;
    if (this.#isLeaving) this.#options.onLeave(info, 'left', 'it left');
    else this.#options.onLeave(info, isViolation(rule) ? 'closed' : 'lost', printable(reason));
  }
}

/** Whether this side closed the node for what it did, and not because it was silent or has connected again. */
function isViolation(rule: CloseCode | undefined): boolean {
  return rule !== undefined && rule !== 'timeout' && rule !== 'replaced';
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`The node sent ${what}.`, { closeCode: 'unexpected' });
}

/** What a node computes otherwise than the run; undefined: nothing. */
function differenceOf(own: Pick<RunDescription, 'numerics' | 'selfTest'>, run: typeof own): string | undefined {
  const text = (what: string, came = '', expected = ''): string =>
    came === '' ? `${what} is missing` : `${what} is ${shortDigest(came)}, not ${shortDigest(expected)}`;
  const other = Object.keys(run.numerics).find((operation) => own.numerics[operation] !== run.numerics[operation]);
  if (other !== undefined) return text(`its operation ${other}`, own.numerics[other], run.numerics[other]);
  return own.selfTest === run.selfTest ? undefined : text('its self-test', own.selfTest, run.selfTest);
}

function unreliable(): ProtocolError {
  return new ProtocolError('it may be restarted', { closeCode: 'unreliable' });
}
