import { addAbortListener } from 'node:events';
import { numericsByName } from '../../shared/engine/numerics/numerics.ts';
import { selfTest } from '../../shared/engine/self-test.ts';
import type { Token } from '../../shared/util/token.ts';
import { type CloseCode, closeCodes, NORMAL, retriesAfter } from '../../shared/wire/close-codes.ts';
import { floatsOf } from '../../shared/wire/floats.ts';
import { FrameBuffers } from '../../shared/wire/frame-buffers.ts';
import { decodeFromCoordinator, encode, maxBytesFromCoordinator } from '../../shared/wire/frames.ts';
import { Link } from '../../shared/wire/link.ts';
import {
  BEFORE_WELCOME,
  type CoordinatorMessage,
  type FromCoordinator,
  type FromNode,
  HEARTBEAT_SECONDS,
  LARGEST_RUN,
  type Limits,
  MAX_TEXT,
  type NodeMessage,
} from '../../shared/wire/messages.ts';
import { handshakeAsNode } from '../../shared/wire/perform-handshake.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { SEAL_BYTES, type Seal } from '../../shared/wire/seal.ts';
import type { Transport } from '../../shared/wire/transport.ts';
import { evaluatedOf, partialsOf, statesOf } from './answers.ts';
import type { Compute } from './compute.ts';
import { Download } from './download.ts';
import { Vitals } from './vitals.ts';

export type Welcome = CoordinatorMessage<'welcome'>;

export interface SessionOptions {
  /** Connects to the coordinator, by whatever transport. @param maxFrameBytes the longest frame of a coordinator that has proved itself */
  readonly connect: (maxFrameBytes: number) => Promise<Transport>;
  readonly token: Token | undefined;
  /** The node's identity: the same whenever this process connects. */
  readonly identity: string;
  readonly name: string;
  readonly threads: number;
  /** Makes what computes for a run, or what receives its data set from the coordinator first; called again once that is complete. */
  readonly prepare: (welcome: Welcome) => Promise<Compute | Download>;
  readonly onReady: () => void;
  /** Aborted: the node leaves, after the order that it is working on. */
  readonly leave: AbortSignal;
}

/** How a connection ended. */
export interface Ending {
  /** The number of the close frame; 1006 if there was none. */
  readonly code: number;
  readonly reason: string;
  /** The coordinator said that the run is over. */
  readonly finished: boolean;
  /**
   * A retry can't change it: the node found it out itself, or the coordinator said it, in a message or over TLS. What anybody on the
   * network path may have said (a close frame or a text without TLS, all before the handshake is over) is never final.
   */
  readonly isFinal: boolean;
  /** This node ended the connection, and not the coordinator or the network. */
  readonly isOwn: boolean;
}

/**
 * Connects to a coordinator and computes for it until the connection ends.
 * @throws ConnectError if nobody answers, and what `prepare` throws: this node's own failure, for which the coordinator can do nothing
 */
export async function takePart(options: SessionOptions): Promise<Ending> {
  const { connect, leave } = options;
  const transport = await connect(maxBytesFromCoordinator(LARGEST_RUN) + SEAL_BYTES);
  const leaving = addAbortListener(leave, () => transport.terminate());
  try {
    const seal = await handshakeAsNode(transport, options);
    leaving[Symbol.dispose]();
    return await new Session(transport, seal, options).run();
  } catch (error) {
    leaving[Symbol.dispose]();
    transport.terminate();
    if (!(error instanceof ProtocolError)) throw error;
    const { code, retry } = closeCodes[error.closeCode];
    const isEncrypted = transport.channelBinding !== undefined;
    return { code, reason: error.message, finished: false, isFinal: isEncrypted && !retry, isOwn: false };
  }
}

class Session {
  readonly #transport: Transport;
  readonly #options: SessionOptions;
  readonly #link: Link<FromCoordinator, FromNode>;
  readonly #ending: Promise<Ending>;
  #welcome: Welcome | undefined;
  #compute: Compute | undefined;
  #limits: Limits = BEFORE_WELCOME;
  #download: Download | undefined;
  /** Orders that have come. */
  #orders = 0;
  /** A node has one order at a time. */
  #hasOrder = false;
  /** Why this node can't take part, which isn't the coordinator's fault. */
  #failure: Error | undefined;
  readonly #buffers = new FrameBuffers();
  readonly #vitals: Vitals;
  /** Why the coordinator ends the connection, by its own message. */
  #end: CloseCode | undefined;
  #heartbeat: NodeJS.Timeout;
  /** A pong was sent since the last heartbeat. */
  #hasReported = false;
  /** The orders, one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(transport: Transport, seal: Seal, options: SessionOptions) {
    this.#transport = transport;
    this.#options = options;
    this.#vitals = new Vitals(options.threads);
    let end: (ending: Ending) => void = () => {};
    this.#ending = new Promise((resolve) => {
      end = resolve;
    });
    this.#link = new Link<FromCoordinator, FromNode>({
      transport,
      seal,
      encode,
      decode: (frame) => decodeFromCoordinator(frame, this.#limits),
      onMessage: (message) => this.#receive(message),
      onClose: (code, reason, rule) => end(this.#endingOf(code, reason, rule)),
    });
    this.#heartbeat = this.#beatEvery(HEARTBEAT_SECONDS);
  }

  async run(): Promise<Ending> {
    const { leave, identity: node, name, threads } = this.#options;
    let leaving: Disposable | undefined;
    try {
      this.#send({ type: 'hello', node, name, threads, numerics: numericsByName(), selfTest: selfTest() });
      leaving = addAbortListener(leave, () => void this.#leave());
      const ending = await this.#ending;
      await this.#work;
      if (this.#failure !== undefined) throw this.#failure;
      return ending;
    } finally {
      clearInterval(this.#heartbeat);
      this.#vitals.close();
      leaving?.[Symbol.dispose]();
      await this.#work;
    }
  }

  /** Ends the connection if the coordinator is silent; reports to it even if its pings wait behind what a slow link carries. */
  #beatEvery(seconds: number): NodeJS.Timeout {
    return setInterval(() => {
      if (!this.#link.beat()) return;
      if (!this.#hasReported) this.#report();
      this.#hasReported = false;
    }, 1000 * seconds);
  }

  #report(): void {
    this.#send({ type: 'pong', ...this.#vitals.report(), orders: this.#orders });
    this.#hasReported = true;
  }

  #send(message: FromNode): void {
    this.#link.send(message);
  }

  #receive(message: FromCoordinator): void {
    switch (message.type) {
      case 'welcome':
        this.#takeWelcome(message);
        break;
      case 'data':
        this.#takePart(message);
        break;
      case 'weights':
        this.#setWeights(message);
        break;
      case 'work':
        this.#queue(async () => this.#answer(await partialsOf(this.#ready(), message)), {
          kind: 'step',
          id: message.step,
        });
        break;
      case 'round':
        this.#queue(async () => this.#answer(await statesOf(this.#ready(), message)), {
          kind: 'step',
          id: message.step,
        });
        break;
      case 'evaluate':
        this.#queue(async () => this.#answer(await evaluatedOf(this.#ready(), message)), {
          kind: 'evaluation',
          id: message.id,
        });
        break;
      case 'ping':
        this.#report();
        break;
      case 'end':
        this.#end = message.reason;
    }
  }

  /** @param rule the one by which this side closed, if it did */
  #endingOf(code: number, reason: string, rule: CloseCode | undefined): Ending {
    const isEncrypted = this.#transport.channelBinding !== undefined;
    if (this.#end !== undefined && rule === undefined) {
      const { code, reason, retry } = closeCodes[this.#end];
      return { code, reason, finished: this.#end === 'runOver', isFinal: !retry, isOwn: false };
    }
    const isOwn = rule !== undefined && !this.#link.isViolated;
    return { code, reason, finished: false, isFinal: (isOwn || isEncrypted) && !retriesAfter(code), isOwn };
  }

  #takeWelcome(welcome: Welcome): void {
    if (this.#welcome !== undefined) throw unexpected('a second welcome');
    // The body is only lent.
    const own = { ...welcome, body: Uint8Array.from(welcome.body) };
    this.#welcome = own;
    this.#limits = welcome;
    clearInterval(this.#heartbeat);
    this.#heartbeat = this.#beatEvery(welcome.heartbeatSeconds);
    this.#queue(() => this.#prepare(own));
  }

  /** An error ends the connection, or is reported to the coordinator as the answer to the order. */
  #queue(work: () => Promise<void>, order?: Pick<NodeMessage<'failed'>, 'kind' | 'id'>): void {
    if (order !== undefined) {
      if (this.#hasOrder) throw unexpected('an order before the answer to the last one');
      this.#hasOrder = true;
      this.#orders++;
    }
    this.#work = this.#work.then(work).catch((error: Error) => {
      if (error instanceof ProtocolError) this.#link.close(error.closeCode, error.message);
      else if (order === undefined) {
        this.#failure = error;
        this.#transport.close(NORMAL, 'it failed');
      } else {
        const message = error.message.slice(0, MAX_TEXT).replaceAll(/\p{Cs}/gu, '?');
        this.#hasOrder = false;
        this.#send({ type: 'failed', ...order, message });
      }
    });
  }

  async #prepare(welcome: Welcome): Promise<void> {
    const prepared = await this.#options.prepare(welcome);
    if (prepared instanceof Download) {
      this.#download = prepared;
      prepared.begin((part) => this.#send({ type: 'needData', part }));
      return;
    }
    if (this.#options.leave.aborted) return;
    this.#compute = prepared;
    this.#vitals.begin(prepared);
    this.#send({ type: 'ready' });
    this.#options.onReady();
  }

  #takePart(message: CoordinatorMessage<'data'>): void {
    const [welcome, download] = [this.#welcome, this.#download];
    if (welcome === undefined || download === undefined) throw unexpected('data that the node has not asked for');
    download.take(message);
    if (!download.isComplete) return;
    this.#download = undefined;
    this.#queue(() => this.#prepare(welcome));
  }

  /** The weights are copied at once, since the message's bytes don't last, and in use when the orders before them are done. */
  #setWeights({ version, body }: CoordinatorMessage<'weights'>): void {
    const use = this.#ready().receiveWeights(version, (...vectors) => {
      for (const [i, vector] of vectors.entries()) floatsOf(body, i * vector.length, vector);
    });
    if (use === undefined) throw unexpected('weights again and again');
    this.#queue(async () => use());
  }

  #answer(message: NodeMessage<'partials' | 'states' | 'evaluated'>): void {
    this.#hasOrder = false;
    const frame = encode(message, (bytes) => this.#buffers.take(bytes));
    this.#link.sendEncoded(frame, () => this.#buffers.give(frame));
  }

  #ready(): Compute {
    if (this.#compute === undefined) throw unexpected('work before the node was ready');
    return this.#compute;
  }

  /** Without threads that run there is nothing to wait for. */
  async #leave(): Promise<void> {
    if (this.#compute !== undefined) {
      this.#send({ type: 'leaving' });
      await this.#work;
    }
    this.#transport.close(NORMAL, 'leaving');
  }
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`The coordinator sent ${what}.`, { closeCode: 'unexpected' });
}
