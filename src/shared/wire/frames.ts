import { Packr } from 'msgpackr';
import { EvaluationChunks } from '../engine/evaluation.ts';
import { RoundFigures } from '../engine/round-figures.ts';
import type { CloseCode } from './close-codes.ts';
import { headerProblem } from './header-scan.ts';
import {
  coordinatorMessages,
  type Definitions,
  type FromCoordinator,
  type FromNode,
  type Limits,
  nodeMessages,
  PART_BYTES,
} from './messages.ts';
import { ProtocolError } from './protocol-error.ts';

const PREFIX_BYTES = 5;
/** Characters that an error quotes of what may be the peer's text. */
const MAX_PROBLEM = 200;
const NO_BYTES = new Uint8Array();
const DEFINITIONS: Definitions = { ...nodeMessages, ...coordinatorMessages };

// Plain MessagePack: no records or structures, 64-bit integers as numbers, maps in their shortest form.
const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true, int64AsType: 'number' });

/**
 * A message as a frame: type u8, header's length u32 BE, header, body. The body, which may be shared memory, is copied.
 * @param allocate gives memory of so many bytes for the frame
 * @throws RangeError if the header is longer than its type allows
 */
export function encode(
  message: FromNode | FromCoordinator,
  allocate: (bytes: number) => Buffer = Buffer.allocUnsafe,
): Buffer {
  const { type, body = NO_BYTES, ...fields } = message as typeof message & { readonly body?: Uint8Array };
  const { tag, headerBytes } = DEFINITIONS[type] as Definitions[string];
  const header = packr.pack(fields);
  if (header.length > headerBytes) {
    throw new RangeError(`The header of ${type} has ${header.length} bytes; at most ${headerBytes} can be sent.`);
  }
  const frame = allocate(PREFIX_BYTES + header.length + body.length);
  frame.writeUInt8(tag);
  frame.writeUInt32BE(header.length, 1);
  frame.set(header, PREFIX_BYTES);
  frame.set(body, PREFIX_BYTES + header.length);
  return frame;
}

/**
 * The message that a node sent. The body is a view of the frame at any alignment, and has the length that follows from the fields.
 * @throws ProtocolError (malformed, tooLarge), and nothing else whatever the bytes are
 */
export function decodeFromNode(frame: Uint8Array, limits: Limits): FromNode {
  return decode(nodeMessages, frame, limits) as FromNode;
}

/**
 * The message that the coordinator sent. The body is a view of the frame at any alignment, and has the length that follows from the fields.
 * @throws ProtocolError (malformed, tooLarge), and nothing else whatever the bytes are
 */
export function decodeFromCoordinator(frame: Uint8Array, limits: Limits): FromCoordinator {
  return decode(coordinatorMessages, frame, limits) as FromCoordinator;
}

/** The longest frame that a node may send, for the transport's own limit; a seal adds its overhead. */
export function maxBytesFromNode(limits: Limits): number {
  return maxBytes(nodeMessages, limits);
}

/** The longest frame that the coordinator may send, for the transport's own limit; a seal adds its overhead. */
export function maxBytesFromCoordinator(limits: Limits): number {
  return maxBytes(coordinatorMessages, limits);
}

function maxBytes(definitions: Definitions, limits: Limits): number {
  const lengths = Object.values(definitions).map(({ headerBytes, maxBody }) => headerBytes + (maxBody?.(limits) ?? 0));
  return PREFIX_BYTES + Math.max(...lengths);
}

function decode(definitions: Definitions, frame: Uint8Array, limits: Limits): FromNode | FromCoordinator {
  const { type, definition, header, body } = split(definitions, frame, limits);
  const problem = headerProblem(header);
  if (problem !== undefined) throw refused('malformed', type, problem);
  const parsed = definition.header.safeParse(unpack(header, type));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const quoted = `${issue?.path.join('.')}: ${issue?.message}`.slice(0, MAX_PROBLEM).replaceAll(/\p{C}/gu, '?');
    throw refused('malformed', type, quoted);
  }
  const hasBody = definition.maxBody !== undefined;
  const message = { type, ...parsed.data, ...(hasBody ? { body } : {}) } as FromNode | FromCoordinator;
  if (!fits(message, limits)) {
    throw refused('malformed', type, `a body of ${body.length} bytes, which does not match its fields`);
  }
  return message;
}

/** Finds a frame's parts and checks them against the limits of its type, before any of it is decoded. */
function split(definitions: Definitions, frame: Uint8Array, limits: Limits) {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  if (bytes.length < PREFIX_BYTES) throw refused('malformed', 'frame', `${bytes.length} bytes`);
  const tag = bytes.readUInt8();
  const found = Object.entries(definitions).find(([, definition]) => definition.tag === tag);
  if (found === undefined) throw refused('malformed', 'frame', `type ${tag}, which this side doesn't send`);
  const [type, definition] = found;
  const headerLength = bytes.readUInt32BE(1);
  const bodyLength = bytes.length - PREFIX_BYTES - headerLength;
  if (headerLength > definition.headerBytes || bodyLength > (definition.maxBody?.(limits) ?? 0)) {
    throw refused('tooLarge', type, `a header of ${headerLength} and a body of ${bodyLength} bytes`);
  }
  if (bodyLength < 0) throw refused('malformed', type, 'a header that ends after the frame');
  const begin = PREFIX_BYTES + headerLength;
  return { type, definition, header: bytes.subarray(PREFIX_BYTES, begin), body: bytes.subarray(begin) };
}

function unpack(header: Buffer, type: string): unknown {
  try {
    return packr.unpack(header);
  } catch (error) {
    throw refused('malformed', type, 'a header that is not MessagePack', error);
  }
}

/** Whether the body has the length that follows from the fields and the run's sizes. */
function fits(message: FromNode | FromCoordinator, { parameters, vectors, ...evaluated }: Limits): boolean {
  switch (message.type) {
    case 'partials':
      return message.body.length === 4 * parameters * message.ranges.length;
    case 'states': {
      const { ranges, steps, body } = message;
      const isWhole = ranges.every(({ figures }) => figures.length === RoundFigures.length(steps));
      return isWhole && body.length === 4 * vectors * parameters * ranges.length;
    }
    case 'evaluated': {
      const { chunks, losses, isPredicted, body } = message;
      const samples = new EvaluationChunks(evaluated).samplesIn(chunks);
      if (samples <= 0 || losses.length !== chunks.end - chunks.begin) return false;
      return body.length === (isPredicted ? 2 * samples : 0);
    }
    case 'data': {
      const { part, of, body } = message;
      return part === of - 1 ? body.length > 0 : body.length === PART_BYTES;
    }
    case 'welcome':
      return message.body.length === message.specBytes;
    case 'weights':
      return message.body.length === 4 * vectors * parameters;
    default:
      return true;
  }
}

function refused(closeCode: CloseCode, type: string, problem: string, cause?: unknown): ProtocolError {
  return new ProtocolError(`Expected a valid ${type}, but got ${problem}. Both sides need the same release.`, {
    closeCode,
    cause,
  });
}
