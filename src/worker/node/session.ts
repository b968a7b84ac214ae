import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { selfTest } from '../../shared/engine/self-test.ts';
import { numericsDigest } from '../../shared/engine/wasm/exports.ts';
import { ProtocolError } from '../../shared/util/errors.ts';
import type { Token } from '../../shared/util/token.ts';
import { closeCodes } from '../../shared/wire/close-codes.ts';
import { bytesOf, floatsOf } from '../../shared/wire/floats.ts';
import { FrameBuffers } from '../../shared/wire/frame-buffers.ts';
import { decodeFromCoordinator, encode, maxBytesFromCoordinator } from '../../shared/wire/frames.ts';
import { growPayload, introduce, UNKNOWN_PAYLOAD } from '../../shared/wire/greeting.ts';
import { Link } from '../../shared/wire/link.ts';
import {
  BEFORE_WELCOME,
  type CoordinatorMessage,
  type FromCoordinator,
  type FromNode,
  type Limits,
  MAX_TEXT,
} from '../../shared/wire/messages.ts';
import type { Compute } from './compute.ts';
import { Vitals } from './vitals.ts';

const CONNECT_MS = 5000;
/** Without a word from the coordinator, whose heart beats every second, it is taken for dead. */
const SILENCE_MS = 10_000;

export type Welcome = CoordinatorMessage<'welcome'>;

export interface SessionOptions {
  readonly url: string;
  readonly token: Token | undefined;
  /** PEM of the authority that signed the coordinator's certificate; undefined: the system's. */
  readonly ca: Buffer | undefined;
  /** The same whenever this process connects. */
  readonly identity: string;
  readonly name: string;
  readonly threads: number;
  /** What computes for a run, from the data set that is at hand; undefined where that has to come from the coordinator. */
  readonly prepare: (welcome: Welcome, received: Uint8Array | undefined) => Promise<Compute | undefined>;
  readonly onReady: () => void;
  /** Aborted: the node leaves behind the piece that it is at. */
  readonly leave: AbortSignal;
}

/** How a connection ended. */
export interface Ending {
  /** Of the WebSocket close frame; 1006 where there was none. */
  readonly code: number;
  readonly reason: string;
  /** The coordinator said that the run is over. */
  readonly finished: boolean;
}

/**
 * Connects to a coordinator and computes for it until the connection ends.
 * @throws Error where nobody answers
 */
export async function takePart(options: SessionOptions): Promise<Ending> {
  const { url, token, ca } = options;
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    maxPayload: UNKNOWN_PAYLOAD,
    handshakeTimeout: CONNECT_MS,
    // As the hub: nothing may be lost that comes in one packet with the welcome.
    allowSynchronousEvents: false,
    // ws then leaves the bytes alone; masks are against proxies, and the frames are no HTTP.
    generateMask: (mask) => mask.fill(0),
    ...(ca === undefined ? {} : { ca }),
  });
  // Also in the handshake: a frame that is damaged on the way is an error, and then a close.
  socket.on('error', () => {});
  let connection: unknown;
  socket.once('upgrade', (response: IncomingMessage) => {
    connection = response.socket;
  });
  // The challenge may come with the upgrade's own packet.
  socket.once('open', () => socket.pause());
  await once(socket, 'open');
  try {
    const seal = await introduce(socket, { token, connection });
    return await new Session(socket, seal, options).run();
  } catch (error) {
    socket.terminate();
    if (!(error instanceof ProtocolError)) throw error;
    return { code: closeCodes[error.closeCode].code, reason: error.message, finished: false };
  }
}

type Seal = Awaited<ReturnType<typeof introduce>>;

class Session {
  readonly #socket: WebSocket;
  readonly #options: SessionOptions;
  readonly #seal: Seal;
  #link: Link<FromCoordinator, FromNode> | undefined;
  #welcome: Welcome | undefined;
  #compute: Compute | undefined;
  #limits: Limits = BEFORE_WELCOME;
  readonly #parts: Uint8Array[] = [];
  readonly #buffers = new FrameBuffers();
  readonly #vitals: Vitals;
  #finished = false;
  /** One piece after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(socket: WebSocket, seal: Seal, options: SessionOptions) {
    this.#socket = socket;
    this.#seal = seal;
    this.#options = options;
    this.#vitals = new Vitals(options.threads);
  }

  async run(): Promise<Ending> {
    const { leave } = this.#options;
    const ending = new Promise<Ending>((resolve) => {
      this.#link = new Link<FromCoordinator, FromNode>({
        ...{ socket: this.#socket, seal: this.#seal, encode },
        decode: (frame) => decodeFromCoordinator(frame, this.#limits),
        onMessage: (message) => this.#receive(message),
        onClose: (code, reason) => resolve({ code, reason, finished: this.#finished }),
      });
    });
    this.#hold(BEFORE_WELCOME);
    const { identity: node, name, threads } = this.#options;
    const { sha256, samplesPerSecond } = selfTest();
    this.#send({
      ...{ type: 'hello', node, name, pid: process.pid, threads },
      ...{ numerics: numericsDigest(), selfTest: sha256, samplesPerSecond: threads * samplesPerSecond },
    });
    const watch = setInterval(() => {
      if (performance.now() - (this.#link?.heardAt ?? 0) > SILENCE_MS) this.#socket.terminate();
    }, 1000);
    const goodbye = (): void => void this.#leave();
    leave.addEventListener('abort', goodbye);
    this.#socket.resume();
    try {
      return await ending;
    } finally {
      clearInterval(watch);
      this.#vitals.close();
      leave.removeEventListener('abort', goodbye);
      await this.#work;
    }
  }

  /** Takes frames as large as these limits let them be. */
  #hold(limits: Limits): void {
    this.#limits = limits;
    growPayload(this.#socket, maxBytesFromCoordinator(limits) + this.#seal.overhead);
  }

  #send(message: FromNode): void {
    this.#link?.send(message);
  }

  #receive(message: FromCoordinator): void {
    switch (message.type) {
      case 'welcome':
        this.#welcome = message;
        this.#hold(message);
        this.#queue(() => this.#prepare(undefined));
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
        this.#send({ type: 'pong', nonce: message.nonce, ...this.#vitals.report() });
        break;
      case 'end':
        this.#finished = message.reason === 'runOver';
    }
  }

  /** What fails ends the connection, or is told to the coordinator: never unhandled. */
  #queue(work: () => Promise<void>, order?: { readonly kind: 'step' | 'evaluation'; readonly id: number }): void {
    this.#work = this.#work.then(work).catch((error: Error) => {
      if (error instanceof ProtocolError) this.#link?.close(error.closeCode, error.message);
      else if (order === undefined) this.#link?.close('unexpected', error.message);
      else
        this.#send({ type: 'failed', ...order, message: error.message.slice(0, MAX_TEXT).replaceAll(/\p{Cs}/gu, '?') });
    });
  }

  async #prepare(received: Uint8Array | undefined): Promise<void> {
    if (this.#welcome === undefined) throw unexpected('data before a welcome');
    this.#compute = await this.#options.prepare(this.#welcome, received);
    if (this.#compute === undefined) return this.#send({ type: 'needData' });
    this.#vitals.begin(this.#compute);
    this.#send({ type: 'ready' });
    this.#options.onReady();
  }

  #takePart({ part, of, body }: CoordinatorMessage<'data'>): void {
    if (part !== this.#parts.length) throw unexpected(`part ${part} of the data`);
    this.#parts.push(Uint8Array.from(body));
    if (this.#parts.length === of) this.#queue(() => this.#prepare(Buffer.concat(this.#parts.splice(0))));
  }

  /** Copied at once, since the message's bytes don't last; in use when the work before them is done. */
  #setWeights({ version, body }: CoordinatorMessage<'weights'>): void {
    const use = this.#ready().receiveWeights(version, (values) => floatsOf(body, 0, values));
    if (use === undefined) throw unexpected('weights again and again');
    this.#queue(async () => use());
  }

  async #gradient({ step, ranges }: CoordinatorMessage<'work'>): Promise<void> {
    const start = performance.now();
    const compute = this.#ready();
    if (compute.age !== step) throw unexpected(`work of step ${step} without its weights`);
    const partials = await compute.gradient(step, ranges);
    const { sample: sampleSeconds, reduce: reduceSeconds } = compute.phases;
    const message = {
      ...({
        type: 'partials',
        step,
        seconds: (performance.now() - start) / 1000,
        sampleSeconds,
        reduceSeconds,
      } as const),
      ranges: partials.map(({ range, lossSum, correct }) => ({ ...range, lossSum, correct })),
      body: bytesOf(...partials.map(({ gradient }) => gradient)),
    };
    const frame = encode(message, (bytes) => this.#buffers.take(bytes));
    this.#link?.sendEncoded(frame, () => this.#buffers.give(frame));
  }

  async #evaluate({ id, version, chunks }: CoordinatorMessage<'evaluate'>): Promise<void> {
    const start = performance.now();
    const compute = this.#ready();
    if (compute.age !== version) throw unexpected(`an evaluation of version ${version} without its weights`);
    const results = await compute.evaluate([chunks]);
    this.#send({
      ...{ type: 'evaluated', id, seconds: (performance.now() - start) / 1000, chunks },
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
    this.#socket.close(1000, 'leaving');
  }
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`The coordinator sent ${what}.`, { closeCode: 'unexpected' });
}
