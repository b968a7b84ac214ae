import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Transcript } from './handshake-frames.ts';
import { ProtocolError } from './protocol-error.ts';

const SEQUENCE_BYTES = 8;
const MAC_BYTES = 32;
const KEY_BYTES = 32;
/** Bytes that sealing adds to a frame. */
export const SEAL_BYTES = SEQUENCE_BYTES + MAC_BYTES;

const LABEL = { toNode: 'lockstep frames to node', toCoordinator: 'lockstep frames to coordinator' } as const;

export interface FrameKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/** The keys of the two directions of one connection, by HKDF-SHA256 (RFC 5869) from the token and both nonces. */
export function frameKeys(transcript: Pick<Transcript, 'token' | 'coordinatorNonce' | 'nodeNonce'>): {
  readonly toNode: Uint8Array;
  readonly toCoordinator: Uint8Array;
} {
  const secret = transcript.token?.key ?? Buffer.alloc(0);
  const salt = Buffer.concat([transcript.coordinatorNonce, transcript.nodeNonce]);
  const keyOf = (label: string) => new Uint8Array(hkdfSync('sha256', secret, salt, label, KEY_BYTES));
  return { toNode: keyOf(LABEL.toNode), toCoordinator: keyOf(LABEL.toCoordinator) };
}

/**
 * Authenticates the frames of one connection, each by a MAC over its place in the sequence and its bytes; it doesn't encrypt.
 * Without keys frames pass unchanged: TLS does more, and loopback without a token has nothing to prove.
 */
export class Seal {
  readonly #keys: FrameKeys | undefined;
  #sent = 0;
  #received = 0;

  constructor(keys?: FrameKeys) {
    this.#keys = keys;
  }

  /** Bytes that `seal` adds to a frame. */
  get overhead(): number {
    return this.#keys === undefined ? 0 : SEAL_BYTES;
  }

  /**
   * The next frame to send, in the order of the calls: a copy of the payload, or without keys a view of it.
   * @param allocate gives memory of so many bytes for a copy
   */
  seal(payload: Uint8Array, allocate: (bytes: number) => Buffer = Buffer.allocUnsafe): Buffer {
    if (this.#keys === undefined) return viewOf(payload);
    const frame = allocate(SEAL_BYTES + payload.length);
    frame.writeBigUInt64BE(BigInt(this.#sent++));
    frame.set(payload, SEAL_BYTES);
    // The MAC is over the copy: the payload may be shared memory.
    const mac = macOf(this.#keys.send, frame.subarray(0, SEQUENCE_BYTES), frame.subarray(SEAL_BYTES));
    frame.set(mac, SEQUENCE_BYTES);
    return frame;
  }

  /**
   * The payload of the next frame that came: a view of it.
   * @throws ProtocolError (tampered) if it isn't the very next one, or differs from what was sent; the connection is then lost
   */
  open(frame: Uint8Array): Buffer {
    const bytes = viewOf(frame);
    if (this.#keys === undefined) return bytes;
    if (bytes.length < SEAL_BYTES) throw tampered(`it has ${bytes.length} bytes, fewer than a seal`);
    const payload = bytes.subarray(SEAL_BYTES);
    const mac = macOf(this.#keys.receive, bytes.subarray(0, SEQUENCE_BYTES), payload);
    if (!timingSafeEqual(mac, bytes.subarray(SEQUENCE_BYTES, SEAL_BYTES))) throw tampered('its MAC is wrong');
    const sequence = bytes.readBigUInt64BE();
    if (sequence !== BigInt(this.#received)) throw tampered(`expected frame ${this.#received}, but ${sequence} came`);
    this.#received++;
    return payload;
  }
}

function macOf(key: Uint8Array, sequence: Uint8Array, payload: Uint8Array): Buffer {
  return createHmac('sha256', key).update(sequence).update(payload).digest();
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function tampered(problem: string): ProtocolError {
  return new ProtocolError(`A frame was altered, repeated, lost or reordered on its way: ${problem}. Connect anew.`, {
    closeCode: 'tampered',
  });
}
