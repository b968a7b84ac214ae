import { YoungGarbage } from '../util/young-garbage.ts';
import { type CloseCode, closeCodes, INTERNAL_ERROR } from './close-codes.ts';
import { FrameBuffers } from './frame-buffers.ts';
import { SILENT_HEARTBEATS } from './messages.ts';
import { ProtocolError } from './protocol-error.ts';
import type { Seal } from './seal.ts';
import type { Transport } from './transport.ts';

/** More than frames of a few connections that are incomplete: what outlives two collections is freed with the whole heap alone. */
const GARBAGE_BYTES = 6e6;
/** What the frames of all connections of this process leave. */
const garbage = new YoungGarbage(GARBAGE_BYTES);
/** Memory for the sealed frames of all connections of this process. */
const buffers = new FrameBuffers();

export interface LinkOptions<In, Out> {
  /** The peer has proved itself. */
  readonly transport: Transport;
  readonly seal: Seal;
  readonly encode: (message: Out) => Uint8Array;
  /** @throws ProtocolError */
  readonly decode: (frame: Uint8Array) => In;
  /** The message's body holds until the call returns and the promises that it resolved have run their reactions. */
  readonly onMessage: (message: In) => void;
  /**
   * Called once; nothing comes after it.
   * @param code the number of the close frame, 1006 if none came @param rule its name if this side closed by a rule of the protocol
   */
  readonly onClose: (code: number, reason: string, rule?: CloseCode) => void;
  /** The message that tells the peer by which rule this side closes; a close frame isn't sealed, and anybody could send it. */
  readonly farewell?: (rule: CloseCode) => Out;
  /** An error that no peer should be able to cause. It has ended this connection. */
  readonly onFault?: (error: Error) => void;
  readonly meter?: Meter;
}

/** Bytes of frames, of any number of connections. */
export interface Meter {
  sent: number;
  received: number;
}

/** One authenticated connection as a stream of messages, for either side. A peer that breaks the protocol is closed with the rule's code. */
export class Link<In, Out> {
  readonly #options: LinkOptions<In, Out>;
  readonly #meter: Meter;
  #bytesHeard = 0;
  #silentBeats = 0;
  /** What came was no frame of the protocol at all: nothing says that the peer sent it. */
  isViolated = false;
  #isClosed = false;

  constructor(options: LinkOptions<In, Out>) {
    this.#options = options;
    this.#meter = options.meter ?? { sent: 0, received: 0 };
    options.transport.receive({
      onFrame: (frame) => this.run(() => this.#receive(frame)),
      onViolation: (rule, problem) => {
        this.isViolated = true;
        this.close(rule, problem);
      },
      onClose: (code, reason) => this.#end(code, reason),
    });
  }

  /** @param onSent called when the message has left this process; never if the connection ends before */
  send(message: Out, onSent?: () => void): void {
    this.sendEncoded(this.#options.encode(message), onSent);
  }

  /** Sends what `encode` made of a message, which several links may share. */
  sendEncoded(payload: Uint8Array, onSent?: () => void): void {
    if (this.#isClosed) return;
    const { seal, transport } = this.#options;
    const frame = seal.seal(payload, (bytes) => buffers.take(bytes));
    this.#meter.sent += frame.length;
    transport.send(frame, () => {
      // Without a seal it is the payload itself, which isn't this link's.
      if (seal.overhead > 0) buffers.give(frame);
      if (onSent !== undefined) this.run(onSent);
    });
  }

  /** Closes by a rule of the protocol. */
  close(rule: CloseCode, detail = ''): void {
    const { code, reason } = closeCodes[rule];
    this.#close(code, detail === '' ? reason : `${reason}: ${detail}`, rule);
  }

  /**
   * Ends the connection if not a byte has come for SILENT_HEARTBEATS calls; to be called once a heartbeat. Heartbeats are counted, not
   * seconds: time for which this process was suspended tells nothing of the peer. Bytes are, not messages: one may take minutes.
   * @returns whether the connection continues
   */
  beat(): boolean {
    const { bytesReceived } = this.#options.transport;
    this.#silentBeats = bytesReceived === this.#bytesHeard ? this.#silentBeats + 1 : 0;
    this.#bytesHeard = bytesReceived;
    if (this.#silentBeats < SILENT_HEARTBEATS) return true;
    this.terminate();
    return false;
  }

  /** Ends a connection whose peer doesn't answer. */
  terminate(): void {
    this.#options.transport.terminate();
  }

  /** Runs what this connection has to do, in a timer or a callback too: an error ends this connection alone. */
  run(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof ProtocolError) this.close(error.closeCode, error.message);
      else this.#fault(error as Error);
    }
  }

  #receive(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#meter.received += frame.length;
    this.#options.onMessage(this.#options.decode(this.#options.seal.open(frame)));
    garbage.add(frame.length);
  }

  #fault(error: Error): void {
    this.#options.onFault?.(error);
    this.#close(INTERNAL_ERROR, `an internal error: ${error.message}`);
  }

  /** The whole reason is for this side's log; the close frame has what fits. */
  #close(code: number, reason: string, rule?: CloseCode): void {
    if (this.#isClosed) return;
    const { farewell, transport } = this.#options;
    if (rule !== undefined && farewell !== undefined) this.send(farewell(rule));
    transport.close(code, reason);
    this.#end(code, reason, rule);
  }

  #end(code: number, reason: string, rule?: CloseCode): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.run(() => this.#options.onClose(code, reason, rule));
  }
}
