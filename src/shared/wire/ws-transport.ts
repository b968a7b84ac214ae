import { addAbortListener } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { WebSocket } from 'ws';
import { hostOf } from '../util/loopback.ts';
import { INTERNAL_ERROR } from './close-codes.ts';
import { connectErrorOf, needsTls } from './connect-error.ts';
import { BINDING_BYTES, type Receiver, type Transport, UNAUTHENTICATED_BYTES } from './transport.ts';

/** A peer that takes a close frame takes no longer to answer it, or at least to send something. */
const CLOSE_MS = 2000;
/** A peer that has proved itself is waited for so many times: its link may be slow, and much may be on its way before the close frame. */
const MAX_CLOSE_WAITS = 5;
/** Until a connection is a WebSocket, on the connecting side. */
const CONNECT_MS = 5000;
const BINDING_LABEL = 'EXPORTER-Lockstep';
/** A close frame holds 123; a character that is cut becomes a longer one. */
const MAX_REASON_BYTES = 120;

/** Options of both ends. */
export const COMMON = {
  perMessageDeflate: false,
  // A message's promises have run their reactions before the next one comes: see Receiver.onFrame.
  allowSynchronousEvents: false,
} as const;

export interface WsConnectOptions {
  /** PEM of the authority that signed the server's certificate; undefined: the system's. */
  readonly ca: string | Buffer | undefined;
  /** The longest frame of a server that has proved itself. */
  readonly maxFrameBytes: number;
  /** Aborted: nobody waits for the connection any more. */
  readonly signal?: AbortSignal;
}

/** Connects to ws:// or wss://. @throws ConnectError if nobody answers, or what answers isn't a WebSocket */
export async function connectWebSocket(url: string, options: WsConnectOptions): Promise<Transport> {
  const address = new URL(url);
  try {
    return await open(url, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // A server that expects TLS ends the connection without a word.
    const mayBeTls = address.protocol === 'ws:' && (code === 'ECONNRESET' || /^Parse Error/.test(message));
    if (mayBeTls && !options.signal?.aborted && (await speaksTls(address))) throw needsTls(address);
    throw connectErrorOf(error as Error, address, options.ca !== undefined);
  }
}

/** Whether whoever listens there takes part in a TLS handshake; nothing is sent over it. */
function speaksTls({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host: hostOf(hostname),
      port: Number(port || 80),
      rejectUnauthorized: false,
      timeout: CONNECT_MS,
    });
    socket.once('secureConnect', () => {
      resolve(true);
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.once('timeout', () => socket.destroy());
    socket.once('close', () => resolve(false));
  });
}

function open(url: string, { ca, maxFrameBytes, signal }: WsConnectOptions): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, {
      ...COMMON,
      maxPayload: maxFrameBytes,
      handshakeTimeout: CONNECT_MS,
      // ws then leaves the bytes alone; masks are against proxies, and the frames are no HTTP.
      generateMask: (mask) => mask.fill(0),
      ...(ca === undefined ? {} : { ca }),
    });
    const waiting = signal && addAbortListener(signal, () => socket.terminate());
    const fail = (error: unknown): void => {
      waiting?.[Symbol.dispose]();
      reject(error);
    };
    let stream: Socket | undefined;
    socket.once('upgrade', (response: IncomingMessage) => {
      stream = response.socket;
    });
    // Later errors change nothing: the connection closes.
    socket.on('error', fail);
    socket.once('open', () => {
      waiting?.[Symbol.dispose]();
      try {
        resolve(new WsTransport(socket, stream as Socket));
      } catch (error) {
        socket.terminate();
        fail(error);
      }
    });
  });
}

/** One WebSocket as a transport, for either side. */
export class WsTransport implements Transport {
  readonly channelBinding: Uint8Array | undefined;
  readonly #socket: WebSocket;
  readonly #onFault: (error: Error) => void;
  #receiver: Receiver | undefined;
  /** What came while nobody received. */
  readonly #waiting: ((receiver: Receiver) => void)[] = [];
  #isAuthenticated = false;
  #bytesReceived = 0;
  /** Where a message is put together that came in several pieces; grows to the longest. */
  #scratch = Buffer.alloc(0);

  /** @throws Error if the connection is gone already */
  constructor(socket: WebSocket, stream: Socket, onFault: (error: Error) => void = () => {}) {
    this.#socket = socket;
    this.#onFault = onFault;
    socket.on('error', () => {});
    // At once: a connection that is reset loses its handle, and with it the key.
    this.channelBinding = bindingOf(stream);
    socket.binaryType = 'fragments';
    stream.on('data', (chunk: Buffer) => this.#count(chunk.length));
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.#deliver((receiver) => receiver.onFrame(this.#joined(data as Buffer[])));
      else this.#deliver((receiver) => receiver.onViolation('malformed', 'expected a binary frame, but a text came'));
    });
    socket.on('close', (code, reason) => this.#deliver((receiver) => receiver.onClose(code, reason.toString())));
  }

  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    if (this.#waiting.length > 0) setImmediate(() => this.#deliverNext());
  }

  send(frame: Uint8Array, onSent?: () => void): void {
    this.#socket.send(frame, (error) => {
      if (!error && onSent !== undefined) this.#run(onSent);
    });
  }

  authenticated(): void {
    this.#isAuthenticated = true;
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString());
    let [before, waits] = [this.#bytesReceived, this.#isAuthenticated ? MAX_CLOSE_WAITS : 1];
    const timer = setInterval(() => {
      const isQuiet = this.#bytesReceived === before;
      before = this.#bytesReceived;
      if (!isQuiet && --waits > 0) return;
      clearInterval(timer);
      this.#socket.terminate();
    }, CLOSE_MS).unref();
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** Bounds what a peer sends that has proved nothing; ws bounds the frames of the others. */
  #count(bytes: number): void {
    const before = this.#bytesReceived;
    this.#bytesReceived += bytes;
    if (this.#isAuthenticated || before > UNAUTHENTICATED_BYTES || this.#bytesReceived <= UNAUTHENTICATED_BYTES) return;
    // No more of it is read, or ws would keep it.
    this.#socket.pause();
    const problem = `more than ${UNAUTHENTICATED_BYTES} bytes came before the handshake was over`;
    this.#deliver((receiver) => receiver.onViolation('tooLarge', problem));
  }

  #deliver(event: (receiver: Receiver) => void): void {
    const receiver = this.#receiver;
    if (receiver === undefined || this.#waiting.length > 0) this.#waiting.push(event);
    else this.#run(() => event(receiver));
  }

  /** One turn of the event loop for each event that waited, as for those that come. */
  #deliverNext(): void {
    const receiver = this.#receiver;
    const event = receiver === undefined ? undefined : this.#waiting.shift();
    if (receiver === undefined || event === undefined) return;
    this.#run(() => event(receiver));
    setImmediate(() => this.#deliverNext());
  }

  /** Runs what a receiver does: an error ends this connection alone. */
  #run(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.close(INTERNAL_ERROR, 'an internal error');
      this.#onFault(error as Error);
    }
  }

  /** One buffer, whose bytes hold until the next message: see FrameBuffers for why it isn't a new one. */
  #joined(pieces: readonly Buffer[]): Buffer {
    if (pieces.length === 1) return pieces[0] as Buffer;
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    if (bytes > this.#scratch.length) this.#scratch = Buffer.allocUnsafe(bytes);
    let end = 0;
    for (const piece of pieces) end += piece.copy(this.#scratch, end);
    return this.#scratch.subarray(0, bytes);
  }
}

function bindingOf(stream: Socket): Uint8Array | undefined {
  if (!(stream instanceof TLSSocket)) return undefined;
  return stream.exportKeyingMaterial(BINDING_BYTES, BINDING_LABEL, Buffer.alloc(0));
}
