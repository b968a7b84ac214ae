import protobuf from 'protobufjs/light.js';
import type { Field, Messages } from './protobuf.ts';
import { float32From } from './safetensors.ts';

/** A decoded message: strings, numbers, views of bytes, messages, and arrays of them where fields are repeated. */
export type Decoded = Readonly<Record<string, unknown>>;

const WIRE = { varint: 0, fixed64: 1, lengthDelimited: 2, fixed32: 5 } as const;
const MAX_DEPTH = 16;
/** Bytes of text that count as one value. */
const TEXT_BYTES = 32;

/**
 * Decodes a message that may be hostile: protobufjs makes hundreds of bytes of objects from two bytes of a file. Whole numbers
 * are doubles, exact up to 2^53. A packed list of floats is one Float32Array.
 * @param maxValues messages, elements of other lists, and texts by each 32 bytes, all together
 * @throws RangeError if the bytes aren't such a message, or if it has more
 */
export function decodeBounded(messages: Messages, type: string, bytes: Uint8Array, maxValues: number): Decoded {
  try {
    return new Decoder(messages, maxValues).message(type, protobuf.Reader.create(bytes), bytes.length, 0);
  } catch (error) {
    // protobufjs throws errors of no class too.
    if (error instanceof RangeError || !(error instanceof Error)) throw error;
    throw new RangeError(error.message, { cause: error });
  }
}

class Decoder {
  readonly #messages: Messages;
  readonly #fields: ReadonlyMap<string, ReadonlyMap<number, readonly [string, Field]>>;
  readonly #maxValues: number;
  #values = 0;

  constructor(messages: Messages, maxValues: number) {
    this.#messages = messages;
    this.#maxValues = maxValues;
    const byId = Object.entries(messages).map(
      ([type, fields]) => [type, new Map(Object.entries(fields).map((entry) => [entry[1][0], entry]))] as const,
    );
    this.#fields = new Map(byId);
  }

  message(type: string, reader: protobuf.Reader, end: number, depth: number): Decoded {
    if (end > reader.len) throw new RangeError('a message ends behind the end of the file');
    if (depth > MAX_DEPTH) throw new RangeError('its messages are nested too deeply');
    this.#count();
    const decoded: Record<string, unknown> = {};
    while (reader.pos < end) {
      const tag = reader.uint32();
      if (tag >>> 3 === 0) throw new RangeError('a field has the number 0');
      const field = this.#fields.get(type)?.get(tag >>> 3);
      if (field === undefined) skip(reader, tag & 7);
      else this.#field(decoded, field, reader, tag & 7, depth);
    }
    if (reader.pos !== end) throw new RangeError('a message ends within a field');
    return decoded;
  }

  #field(
    decoded: Record<string, unknown>,
    [key, [, type, kind]]: readonly [string, Field],
    reader: protobuf.Reader,
    wire: number,
    depth: number,
  ): void {
    if (this.#messages[type] !== undefined) {
      expectWire(key, wire, WIRE.lengthDelimited);
      const length = reader.uint32();
      add(decoded, key, kind, this.message(type, reader, reader.pos + length, depth + 1));
    } else if (kind === 'repeated' && wire === WIRE.lengthDelimited && type === 'float') {
      if (decoded[key] !== undefined) throw new RangeError(`its ${key} is in several pieces`);
      decoded[key] = packedFloats(reader.bytes());
    } else if (kind === 'repeated' && wire === WIRE.lengthDelimited && type.startsWith('int')) {
      const list = protobuf.Reader.create(reader.bytes());
      while (list.pos < list.len) this.#element(decoded, key, type, list, WIRE.varint);
    } else if (kind === 'repeated') {
      this.#element(decoded, key, type, reader, wire);
    } else {
      decoded[key] = this.#scalar(key, type, reader, wire);
    }
  }

  #element(decoded: Record<string, unknown>, key: string, type: string, reader: protobuf.Reader, wire: number): void {
    this.#count();
    add(decoded, key, 'repeated', this.#scalar(key, type, reader, wire));
  }

  #scalar(key: string, type: string, reader: protobuf.Reader, wire: number): unknown {
    if (type !== 'string') return scalar(key, type, reader, wire);
    expectWire(key, wire, WIRE.lengthDelimited);
    const bytes = reader.bytes();
    this.#count(Math.ceil(bytes.length / TEXT_BYTES));
    return new TextDecoder().decode(bytes);
  }

  #count(values = 1): void {
    this.#values += values;
    if (this.#values > this.#maxValues) throw new RangeError(`it has more than ${this.#maxValues} values`);
  }
}

function add(decoded: Record<string, unknown>, key: string, kind: Field[2], value: unknown): void {
  const list = decoded[key];
  if (kind !== 'repeated') decoded[key] = value;
  else if (list === undefined) decoded[key] = [value];
  else if (Array.isArray(list)) list.push(value);
  else throw new RangeError(`its ${key} is in several pieces`);
}

function scalar(key: string, type: string, reader: protobuf.Reader, wire: number): unknown {
  switch (type) {
    case 'int32':
    case 'int64':
      expectWire(key, wire, WIRE.varint);
      return Number(type === 'int32' ? reader.int32() : reader.int64());
    case 'float':
      expectWire(key, wire, WIRE.fixed32);
      return reader.float();
    default:
      expectWire(key, wire, WIRE.lengthDelimited);
      return reader.bytes();
  }
}

function packedFloats(bytes: Uint8Array): Float32Array {
  if (bytes.length % Float32Array.BYTES_PER_ELEMENT === 0) return float32From(bytes);
  throw new RangeError('a list of numbers ends within one');
}

function skip(reader: protobuf.Reader, wire: number): void {
  if (!Object.values<number>(WIRE).includes(wire)) throw new RangeError(`a field is of the unknown wire type ${wire}`);
  reader.skipType(wire);
}

function expectWire(key: string, wire: number, expected: number): void {
  if (wire !== expected) throw new RangeError(`its ${key} is of the wire type ${wire}`);
}
