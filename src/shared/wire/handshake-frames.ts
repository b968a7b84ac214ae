import { createHmac } from 'node:crypto';
import type { Token } from '../util/token.ts';
import { ProtocolError } from './protocol-error.ts';
import { BINDING_BYTES } from './transport.ts';

/** Raised with any change after which an old peer would misread a new one. */
export const PROTOCOL_VERSION = 7;
export const RUN_ID_BYTES = 16;
export const NONCE_BYTES = 32;
export const EXPORTER_BYTES = BINDING_BYTES;
/** The one role that a peer may ask for. */
export const COMPUTE_NODE = 1;

export const PROOF_LABEL = { node: 'lockstep node proof', coordinator: 'lockstep coordinator proof' } as const;

const MAGIC = Buffer.from('LOCKSTEP', 'latin1');
const VERSION_OFFSET = MAGIC.length;
const KIND_OFFSET = VERSION_OFFSET + 2;
const PREFIX_BYTES = KIND_OFFSET + 1;
const MAC_BYTES = 32;

/** The lengths in bytes of the fields after magic, version and kind. */
const LAYOUTS = {
  /** Run id, coordinator nonce. */
  challenge: { kind: 1, fields: [RUN_ID_BYTES, NONCE_BYTES] },
  /** Role, node nonce, MAC. */
  proof: { kind: 2, fields: [1, NONCE_BYTES, MAC_BYTES] },
  /** MAC. */
  welcome: { kind: 3, fields: [MAC_BYTES] },
} as const;

type FrameName = keyof typeof LAYOUTS;
type Buffers<Lengths extends readonly number[]> = { -readonly [Index in keyof Lengths]: Buffer };
type FieldsOf<Name extends FrameName> = Buffers<(typeof LAYOUTS)[Name]['fields']>;

export function handshakeFrame(name: FrameName, ...fields: readonly Uint8Array[]): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  MAGIC.copy(prefix);
  prefix.writeUInt16BE(PROTOCOL_VERSION, VERSION_OFFSET);
  prefix.writeUInt8(LAYOUTS[name].kind, KIND_OFFSET);
  return Buffer.concat([prefix, ...fields]);
}

/**
 * The fields of a frame, copied. The version is checked before kind and length, which another version may have changed.
 * @throws ProtocolError (malformed, version)
 */
export function handshakeFields<Name extends FrameName>(name: Name, frame: Uint8Array): FieldsOf<Name> {
  const bytes = Buffer.from(frame);
  if (bytes.length < PREFIX_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw malformed(`expected a ${name}, but ${bytes.length} bytes came that Lockstep didn't send`);
  }
  const version = bytes.readUInt16BE(VERSION_OFFSET);
  if (version !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      `Expected version ${PROTOCOL_VERSION} of the protocol, but the peer speaks version ${version}. Use the same release on both sides.`,
      { closeCode: 'version' },
    );
  }
  const { kind, fields } = LAYOUTS[name];
  const length = fields.reduce((sum: number, field) => sum + field, PREFIX_BYTES);
  if (bytes[KIND_OFFSET] !== kind || bytes.length !== length) {
    throw malformed(
      `expected a ${name} (kind ${kind}, ${length} bytes), but kind ${bytes[KIND_OFFSET]} of ${bytes.length} bytes came`,
    );
  }
  let begin: number = PREFIX_BYTES;
  return fields.map((field) => {
    begin += field;
    return bytes.subarray(begin - field, begin);
  }) as FieldsOf<Name>;
}

/** Everything that both sides of one connection must agree on. */
export interface Transcript {
  /** Undefined on loopback only: an empty key. */
  readonly token: Token | undefined;
  readonly runId: Uint8Array;
  readonly coordinatorNonce: Uint8Array;
  readonly nodeNonce: Uint8Array;
  readonly role: number;
  /** The TLS connection's exported keying material; undefined without TLS. */
  readonly exporter: Uint8Array | undefined;
}

/** The MAC that proves that its maker holds the token, on this connection and in this direction. */
export function proofOf(label: string, transcript: Transcript): Buffer {
  const { token, runId, coordinatorNonce, nodeNonce, role, exporter = Buffer.alloc(0) } = transcript;
  const version = Buffer.alloc(2);
  version.writeUInt16BE(PROTOCOL_VERSION);
  return createHmac('sha256', token?.key ?? Buffer.alloc(0))
    .update(Buffer.of(label.length))
    .update(label, 'latin1')
    .update(version)
    .update(runId)
    .update(coordinatorNonce)
    .update(nodeNonce)
    .update(Buffer.of(role, exporter.length))
    .update(exporter)
    .digest();
}

function malformed(problem: string): ProtocolError {
  return new ProtocolError(`The handshake failed: ${problem}. Does the peer run this version of Lockstep?`, {
    closeCode: 'malformed',
  });
}
