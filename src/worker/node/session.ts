import { bytesOfParts } from '../../shared/data/parts.ts';
import { selfTest } from '../../shared/engine/self-test.ts';
import { numericsDigest } from '../../shared/engine/wasm/exports.ts';
import type { Token } from '../../shared/util/token.ts';
import { type CloseCode, closeCodes, NORMAL, retriesAfter } from '../../shared/wire/close-codes.ts';
import { bytesOf, floatsOf } from '../../shared/wire/floats.ts';
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
  PART_BYTES,
  SILENT_HEARTBEATS,
} from '../../shared/wire/messages.ts';
import { handshakeAsNode } from '../../shared/wire/perform-handshake.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { SEAL_BYTES, type Seal } from '../../shared/wire/seal.ts';
import type { Transport } from '../../shared/wire/transport.ts';
import type { Compute } from './compute.ts';
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
  /** Makes what computes for a run, from the data set on this machine or the one received; undefined if it must come from the coordinator. */
  readonly prepare: (welcome: Welcome, received: Uint8Array | undefined) => Promise<Compute | undefined>;
  readonly onReady: () => void;
  /** Aborted: the node leaves after the order that it is working on. */
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
}

/**
 * Connects to a coordinator and computes for it until the connection ends.
 * @throws Error if nobody answers
 */
export async function takePart(options: SessionOptions): Promise<Ending> {
  const { connect, token } = options;
  const transport = await connect(maxBytesFromCoordinator(LARGEST_RUN) + SEAL_BYTES);
  const isEncrypted = transport.channelBinding !== undefined;
  try {
    const seal = await handshakeAsNode(transport, { token });
    return await new Session(transport, seal, options).run();
  } catch (error) {
    transport.terminate();
    if (!(error instanceof ProtocolError)) throw error;
    const { code, retry } = closeCodes[error.closeCode];
    return { code, reason: error.message, finished: false, isFinal: isEncrypted && !retry };
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
  readonly #parts: Uint8Array[] = [];
  #hasAskedForData = false;
  /** A node has one order at a time. */
  #hasOrder = false;
  readonly #buffers = new FrameBuffers();
  readonly #vitals: Vitals;
  /** Why the coordinator ends the connection, by its own message. */
  #end: CloseCode | undefined;
  #watchdog: NodeJS.Timeout;
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
    this.#watchdog = this.#watch(HEARTBEAT_SECONDS);
  }

  async run(): Promise<Ending> {
    const { leave, identity: node, name, threads } = this.#options;
    const onLeave = (): void => void this.#leave();
    leave.addEventListener('abort', onLeave);
    try {
      this.#send({ type: 'hello', node, name, threads, numerics: numericsDigest(), selfTest: selfTest() });
      return await this.#ending;
    } finally {
      clearInterval(this.#watchdog);
      this.#vitals.close();
      leave.removeEventListener('abort', onLeave);
      await this.#work;
    }
  }

  /** Ends the connection if nothing is heard for too long from a coordinator that pings so often. */
  #watch(heartbeatSeconds: number): NodeJS.Timeout {
    return setInterval(() => {
      if (performance.now() - this.#link.heardAt > 1000 * SILENT_HEARTBEATS * heartbeatSeconds) this.#link.terminate();
    }, 1000 * heartbeatSeconds);
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
        this.#queue(() => this.#gradient(message), { kind: 'step', id: message.step });
        break;
      case 'evaluate':
        this.#queue(() => this.#evaluate(message), { kind: 'evaluation', id: message.id });
        break;
      case 'ping':
        this.#send({ type: 'pong', ...this.#vitals.report() });
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
      return { code, reason, finished: this.#end === 'runOver', isFinal: !retry };
    }
    const isOwnFinding = rule !== undefined && !this.#link.isViolated;
    return { code, reason, finished: false, isFinal: (isOwnFinding || isEncrypted) && !retriesAfter(code) };
  }

  #takeWelcome(welcome: Welcome): void {
    if (this.#welcome !== undefined) throw unexpected('a second welcome');
    this.#welcome = welcome;
    this.#limits = welcome;
    clearInterval(this.#watchdog);
    this.#watchdog = this.#watch(welcome.heartbeatSeconds);
    this.#queue(() => this.#prepare(undefined));
  }

  /** An error ends the connection, or is reported to the coordinator as the answer to the order. */
  #queue(work: () => Promise<void>, order?: Pick<NodeMessage<'failed'>, 'kind' | 'id'>): void {
    if (order !== undefined) {
      if (this.#hasOrder) throw unexpected('an order before the answer to the last one');
      this.#hasOrder = true;
    }
    this.#work = this.#work.then(work).catch((error: Error) => {
      if (error instanceof ProtocolError) this.#link.close(error.closeCode, error.message);
      else if (order === undefined) this.#link.close('unexpected', error.message);
      else {
        const message = error.message.slice(0, MAX_TEXT).replaceAll(/\p{Cs}/gu, '?');
        this.#hasOrder = false;
        this.#send({ type: 'failed', ...order, message });
      }
    });
  }

  async #prepare(received: Uint8Array | undefined): Promise<void> {
    if (this.#welcome === undefined) throw unexpected('data before a welcome');
    this.#compute = await this.#options.prepare(this.#welcome, received);
    if (this.#compute === undefined) {
      this.#hasAskedForData = true;
      return this.#send({ type: 'needData' });
    }
    this.#vitals.begin(this.#compute);
    this.#send({ type: 'ready' });
    this.#options.onReady();
  }

  #takePart({ part, of, body }: CoordinatorMessage<'data'>): void {
    const { samples: train = 0, testSamples: test = 0 } = this.#welcome ?? {};
    const announced = bytesOfParts({ train, test });
    const isLast = part === of - 1;
    // As many bytes as the welcome has announced, and only if they were asked for: they are kept until the last of them has come.
    const isExpected = this.#hasAskedForData && part === this.#parts.length && of === Math.ceil(announced / PART_BYTES);
    if (!isExpected || (isLast && part * PART_BYTES + body.length !== announced)) {
      throw unexpected(`part ${part} of ${of} of the data, of ${body.length} bytes`);
    }
    this.#parts.push(Uint8Array.from(body));
    if (!isLast) return;
    this.#hasAskedForData = false;
    this.#queue(() => this.#prepare(Buffer.concat(this.#parts.splice(0))));
  }

  /** The weights are copied at once, since the message's bytes don't last, and in use when the orders before them are done. */
  #setWeights({ version, body }: CoordinatorMessage<'weights'>): void {
    const use = this.#ready().receiveWeights(version, (values) => floatsOf(body, 0, values));
    if (use === undefined) throw unexpected('weights again and again');
    this.#queue(async () => use());
  }

  async #gradient({ step, version, ranges }: CoordinatorMessage<'work'>): Promise<void> {
    const start = performance.now();
    const compute = this.#ready();
    if (compute.age !== version) throw unexpected(`work with version ${version} of the weights, but didn't send it`);
    const partials = await compute.gradient(step, ranges);
    const { sample: sampleSeconds, reduce: reduceSeconds } = compute.phases;
    const message: NodeMessage<'partials'> = {
      type: 'partials',
      step,
      seconds: (performance.now() - start) / 1000,
      sampleSeconds,
      reduceSeconds,
      ranges: partials.map(({ range, lossSum, correct }) => ({ ...range, lossSum, correct })),
      body: bytesOf(...partials.map(({ gradient }) => gradient)),
    };
    this.#hasOrder = false;
    const frame = encode(message, (bytes) => this.#buffers.take(bytes));
    this.#link.sendEncoded(frame, () => this.#buffers.give(frame));
  }

  async #evaluate({ id, version, chunks }: CoordinatorMessage<'evaluate'>): Promise<void> {
    const start = performance.now();
    const compute = this.#ready();
    if (compute.age !== version)
      throw unexpected(`an evaluation of version ${version} of the weights, but didn't send it`);
    const results = await compute.evaluate([chunks]);
    this.#hasOrder = false;
    this.#send({
      type: 'evaluated',
      id,
      seconds: (performance.now() - start) / 1000,
      chunks,
      losses: results.flatMap(({ losses }) => Array.from(losses)),
      body: Buffer.concat(results.map(({ predictions }) => predictions)),
    });
  }

  #ready(): Compute {
    if (this.#compute === undefined) throw unexpected('work before the node was ready');
    return this.#compute;
  }

  async #leave(): Promise<void> {
    this.#send({ type: 'leaving' });
    await this.#work;
    this.#transport.close(NORMAL, 'leaving');
  }
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`The coordinator sent ${what}.`, { closeCode: 'unexpected' });
}
