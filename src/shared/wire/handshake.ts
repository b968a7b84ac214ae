import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Token } from '../util/token.ts';
import {
  COMPUTE_NODE,
  EXPORTER_BYTES,
  handshakeFields,
  handshakeFrame,
  NONCE_BYTES,
  PROOF_LABEL,
  proofOf,
  RUN_ID_BYTES,
  type Transcript,
} from './handshake-frames.ts';
import { ProtocolError } from './protocol-error.ts';
import { frameKeys, Seal } from './seal.ts';

export interface HandshakeOptions {
  /** Undefined on loopback only, where whoever connects is accepted. */
  readonly token: Token | undefined;
  /** The TLS connection's exported keying material, EXPORTER_BYTES long; undefined without TLS. */
  readonly exporter: Uint8Array | undefined;
  /** Whether every later frame carries a MAC: true with a token on a connection without TLS. */
  readonly sealed: boolean;
  /** Fresh random bytes unless it is given, which only tests do. */
  readonly nonce?: Uint8Array;
}

/** The coordinator's side of one connection's handshake. It reveals nothing about the token before the node has proved that it holds it. */
export class CoordinatorHandshake {
  /** The first frame of the connection. */
  readonly challenge: Buffer;
  readonly #options: HandshakeOptions & { readonly runId: Uint8Array };
  readonly #nonce: Buffer;
  #isOver = false;

  /** @throws RangeError if run id, nonce or exporter have another length, or frames are to be sealed without a token */
  constructor(options: HandshakeOptions & { readonly runId: Uint8Array }) {
    this.#nonce = nonceOf(options);
    this.#options = { ...options, runId: ofLength('The run id', RUN_ID_BYTES, options.runId) };
    this.challenge = handshakeFrame('challenge', this.#options.runId, this.#nonce);
  }

  /**
   * Checks the node's proof. One call for each connection, whatever the result.
   * @returns the frame that answers it, and what seals all later frames
   * @throws ProtocolError (malformed, version, role, unauthorized; unexpected on a second call)
   */
  accept(proof: Uint8Array): { readonly welcome: Buffer; readonly seal: Seal } {
    if (this.#isOver) throw unexpected('a second proof');
    this.#isOver = true;
    const [role, nodeNonce, mac] = handshakeFields('proof', proof);
    if (role[0] !== COMPUTE_NODE) {
      throw new ProtocolError(`Expected role ${COMPUTE_NODE}, a compute node, but the peer asks for role ${role[0]}.`, {
        closeCode: 'role',
      });
    }
    const { token, runId, exporter, sealed } = this.#options;
    const transcript = { token, runId, exporter, coordinatorNonce: this.#nonce, nodeNonce, role: COMPUTE_NODE };
    if (!timingSafeEqual(mac, proofOf(PROOF_LABEL.node, transcript))) throw unauthorized('node');
    const welcome = handshakeFrame('welcome', proofOf(PROOF_LABEL.coordinator, transcript));
    if (!sealed) return { welcome, seal: new Seal() };
    const { toNode, toCoordinator } = frameKeys(transcript);
    return { welcome, seal: new Seal({ send: toNode, receive: toCoordinator }) };
  }
}

/** The node's side of one connection's handshake. */
export class NodeHandshake {
  readonly #options: HandshakeOptions;
  readonly #nonce: Buffer;
  #state: 'new' | 'proved' | 'over' = 'new';
  #transcript: Transcript | undefined;

  /** @throws RangeError if nonce or exporter have another length, or frames are to be sealed without a token */
  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#nonce = nonceOf(options);
  }

  /**
   * Answers the coordinator's challenge. One call for each connection, whatever the result.
   * @throws ProtocolError (malformed, version; unexpected on a second call)
   */
  prove(challenge: Uint8Array): Buffer {
    if (this.#state !== 'new') throw unexpected('a second challenge');
    this.#state = 'over';
    const [runId, coordinatorNonce] = handshakeFields('challenge', challenge);
    const { token, exporter } = this.#options;
    const transcript = { token, runId, exporter, coordinatorNonce, nodeNonce: this.#nonce, role: COMPUTE_NODE };
    this.#transcript = transcript;
    this.#state = 'proved';
    return handshakeFrame('proof', Buffer.of(COMPUTE_NODE), this.#nonce, proofOf(PROOF_LABEL.node, transcript));
  }

  /**
   * Checks that the coordinator holds the token too. One call for each connection, whatever the result.
   * @returns what seals all later frames
   * @throws ProtocolError (malformed, version, unauthorized; unexpected on a second call or before `prove`)
   */
  finish(welcome: Uint8Array): Seal {
    if (this.#state !== 'proved' || this.#transcript === undefined) throw unexpected('a welcome');
    this.#state = 'over';
    const [mac] = handshakeFields('welcome', welcome);
    if (!timingSafeEqual(mac, proofOf(PROOF_LABEL.coordinator, this.#transcript))) throw unauthorized('coordinator');
    if (!this.#options.sealed) return new Seal();
    const { toNode, toCoordinator } = frameKeys(this.#transcript);
    return new Seal({ send: toCoordinator, receive: toNode });
  }
}

function nonceOf({ token, exporter, sealed, nonce = randomBytes(NONCE_BYTES) }: HandshakeOptions): Buffer {
  if (sealed && token === undefined) throw new RangeError('Frames can be sealed only with a token.');
  if (exporter !== undefined) ofLength('The exporter key', EXPORTER_BYTES, exporter);
  return ofLength('The nonce', NONCE_BYTES, nonce);
}

function ofLength(what: string, length: number, bytes: Uint8Array): Buffer {
  if (bytes.length === length) return Buffer.from(bytes);
  throw new RangeError(`${what} has ${length} bytes, not ${bytes.length}.`);
}

function unauthorized(peer: 'node' | 'coordinator'): ProtocolError {
  return new ProtocolError(
    `The ${peer} doesn't hold this run's token, or something between the two ends the TLS connection. Give both the same token file.`,
    { closeCode: 'unauthorized' },
  );
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`The handshake has no place for ${what} here. Connect anew.`, { closeCode: 'unexpected' });
}
