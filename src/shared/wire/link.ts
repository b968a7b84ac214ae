import type { WebSocket } from 'ws';
import { ProtocolError } from '../util/errors.ts';
import { YoungGarbage } from '../util/young-garbage.ts';
import { type CloseCode, closeCodes } from './close-codes.ts';
import type { Seal } from './seal.ts';

/** A peer that takes a close frame takes no longer to answer it. */
const CLOSE_MS = 2000;

/** Of all connections of this process. */
const garbage = new YoungGarbage();

export interface LinkOptions<In, Out> {
  readonly socket: WebSocket;
  readonly seal: Seal;
  readonly encode: (message: Out) => Uint8Array;
  /** @throws ProtocolError */
  readonly decode: (frame: Uint8Array) => In;
  /** The message's body holds until it returns, and what it resolves has run. */
  readonly onMessage: (message: In) => void;
  /** Called once, with the close frame's number or 1006; `rule` is the name of it where this side closed. Nothing comes any more. */
  readonly onClose: (code: number, reason: string, rule?: CloseCode) => void;
  readonly meter?: Meter;
}

/** Bytes of frames, of any number of connections. */
export interface Meter {
  sent: number;
  received: number;
}

/** One authenticated connection as a stream of messages, for either side. A peer that breaks the protocol is closed by name. */
export class Link<In, Out> {
  readonly #options: LinkOptions<In, Out>;
  readonly #meter: Meter;
  /** When the peer was last heard of; in milliseconds of `performance.now`. */
  heardAt = performance.now();
  #closed = false;
  /** Where a message is put together that came in several pieces; grows to the longest. */
  #scratch = Buffer.alloc(0);

  constructor(options: LinkOptions<In, Out>) {
    this.#options = options;
    const { socket, meter = { sent: 0, received: 0 } } = options;
    this.#meter = meter;
    socket.binaryType = 'fragments';
    socket.on('message', (data, isBinary) => this.#receive(data as Buffer | Buffer[], isBinary));
    socket.on('error', () => {});
    socket.on('close', (code, reason) => this.#end(code, reason.toString()));
  }

  /** @param onSent called when it has left this process, and never where the connection ends before */
  send(message: Out, onSent?: () => void): void {
    this.sendEncoded(this.#options.encode(message), onSent);
  }

  /** What `encode` made of a message, which several links may share. */
  sendEncoded(payload: Uint8Array, onSent?: () => void): void {
    if (this.#closed) return;
    const frame = this.#options.seal.seal(payload);
    this.#meter.sent += frame.length;
    this.#options.socket.send(frame, (error) => {
      if (!error) onSent?.();
    });
  }

  close(name: CloseCode, detail = ''): void {
    if (this.#closed) return;
    const { socket } = this.#options;
    const { code, reason } = closeCodes[name];
    const whole = detail === '' ? reason : `${reason}: ${detail}`;
    // A close frame holds 123 bytes; what doesn't fit is for the log of this side alone.
    socket.close(code, Buffer.from(whole).subarray(0, 120).toString());
    setTimeout(() => socket.terminate(), CLOSE_MS).unref();
    this.#end(code, whole, name);
  }

  /** Gives a connection up that doesn't answer. */
  terminate(): void {
    this.#options.socket.terminate();
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

  #end(code: number, reason: string, rule?: CloseCode): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClose(code, reason, rule);
  }

  #receive(data: Buffer | readonly Buffer[], isBinary: boolean): void {
    if (this.#closed) return;
    this.heardAt = performance.now();
    try {
      if (!isBinary) throw new ProtocolError('Expected a binary frame, but a text came.', { closeCode: 'malformed' });
      const frame = this.#joined(Buffer.isBuffer(data) ? [data] : data);
      this.#meter.received += frame.length;
      this.#options.onMessage(this.#options.decode(this.#options.seal.open(frame)));
      garbage.add(frame.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.close(error.closeCode, error.message);
    }
  }
}
