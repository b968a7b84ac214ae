import { endianness } from 'node:os';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { CheckpointError } from './errors.ts';
import { parseJson } from './json.ts';

/** A named float32 array in row-major order. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface TensorFile {
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
export const MAX_HEADER_BYTES = 1 << 20;

/** The types of elements in use, and their bytes. */
const ELEMENT_BYTES = {
  ...{ F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4 },
  ...{ I16: 2, U16: 2, I8: 1, U8: 1, BOOL: 1 },
} as const;
export type ElementType = keyof typeof ELEMENT_BYTES;

/** Where a tensor lies. */
export interface TensorPlace {
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** Of its data, from the end of the header on. */
  readonly begin: number;
  readonly end: number;
}

const Count = z.int().nonnegative();
const headerOfTypes = (types: readonly ElementType[]) =>
  z.object({ __metadata__: z.record(z.string(), z.string()).optional() }).catchall(
    z.strictObject({
      dtype: z.literal(types, {
        error: ({ input }) => `expected ${types.join(' or ')}, but it is ${JSON.stringify(input)?.slice(0, 40)}`,
      }),
      shape: z.array(Count).max(8),
      data_offsets: z.tuple([Count, Count]),
    }),
  );

/**
 * The safetensors format: the header's length as a little-endian uint64, a JSON header, the tensors' bytes one after the
 * other. Metadata keys are sorted; the header is padded with spaces so that the data is aligned to 8 bytes. The arrays
 * are copied before this returns. https://huggingface.co/docs/safetensors
 */
export function encodeSafetensors(tensors: readonly Tensor[], metadata: Readonly<Record<string, string>>): Buffer {
  const entries = tensors.map(({ name, shape }) => ({ name, shape, dtype: 'F32' as const }));
  const data = tensors.map((tensor) => littleEndianBytes(tensor.data));
  return Buffer.concat([encodeHeader(entries, metadata), ...data]);
}

/** The start of a file whose tensors follow one after the other. */
export function encodeHeader(
  tensors: readonly (Pick<TensorPlace, 'dtype' | 'shape'> & { readonly name: string })[],
  metadata: Readonly<Record<string, string>>,
): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, dtype, shape }) => {
    const begin = end;
    end += ELEMENT_BYTES[dtype] * elementsOf(shape);
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
  });
  const header = Buffer.from(`{${[`"__metadata__":${canonicalJson(metadata)}`, ...entries].join(',')}}`);
  const padded = Math.ceil(header.length / ALIGNMENT) * ALIGNMENT;
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(padded));
  return Buffer.concat([length, header, Buffer.alloc(padded - header.length, ' ')]);
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** Makes the error that names a file and what is wrong with it. */
type Refusal = (file: string, problem: string, cause?: unknown) => Error;

/**
 * Reads a safetensors file of float32 tensors, whatever the alignment of `bytes`; `file` is the name that errors give.
 * @throws CheckpointError where anything in it contradicts the format, as `refusal` words it
 */
export function decodeSafetensors(bytes: Uint8Array, file: string, refusal: Refusal = damaged): TensorFile {
  const header = headerOf(bytes, file, refusal);
  const data = bytes.subarray(LENGTH_BYTES + header.length);
  const { metadata, places } = decodeHeader(header, data.length, { file, refusal, types: ['F32'] });
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape, begin, end }] of places) {
    tensors.set(name, { name, shape, data: float32From(data.subarray(begin, end)) });
  }
  return { metadata, tensors };
}

export interface HeaderOptions {
  /** The name that errors give. */
  readonly file: string;
  readonly refusal: Refusal;
  /** The types of elements that are taken. */
  readonly types: readonly ElementType[];
}

/**
 * Where the tensors lie in `size` bytes of data that they fill without a gap, by name, in the order of their data.
 * @throws where anything contradicts the format, as `refusal` words it
 */
export function decodeHeader(header: Buffer, size: number, { file, refusal, types }: HeaderOptions) {
  const { __metadata__: metadata = {}, ...entries } = parseHeader(header, { file, refusal, types });
  const places = new Map<string, TensorPlace>();
  let next = 0;
  const byOffset = Object.entries(entries).sort(([, a], [, b]) => a.data_offsets[1] - b.data_offsets[1]);
  for (const [name, { dtype, shape, data_offsets }] of byOffset) {
    const [begin, end] = data_offsets;
    if (begin !== next || end - begin !== ELEMENT_BYTES[dtype] * elementsOf(shape) || end > size) {
      throw refusal(file, `tensor ${name} of ${shape.join('x')} can't lie at ${begin} to ${end} of ${size} bytes`);
    }
    places.set(name, { dtype, shape, begin, end });
    next = end;
  }
  if (next !== size) throw refusal(file, `expected ${next} bytes of tensors, but it holds ${size}`);
  return { metadata, places };
}

/** The length of a file's header from its first 8 bytes, of `size` in all. @throws as `refusal` words it where that is impossible */
export function headerLength(start: Buffer, size: number, { file, refusal }: Omit<HeaderOptions, 'types'>): number {
  if (size < LENGTH_BYTES) throw refusal(file, `expected a header, but it holds ${size} bytes`);
  const length = start.readBigUInt64LE();
  const limit = Math.min(size - LENGTH_BYTES, MAX_HEADER_BYTES);
  if (length > limit) throw refusal(file, `expected a header of at most ${limit} bytes, but it claims ${length}`);
  return Number(length);
}

/**
 * The header's bytes, padding included: a view that begins 8 bytes into the file.
 * @throws CheckpointError where its length is impossible
 */
export function headerOf(bytes: Uint8Array, file: string, refusal: Refusal = damaged): Buffer {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = headerLength(view, view.length, { file, refusal });
  return view.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
}

/** A copy of the values as little-endian float32, the byte order of files and hashes on every machine. */
export function littleEndianBytes(values: Float32Array): Buffer {
  return Buffer.from(littleEndianView(values));
}

/** Their own memory as such bytes, or a copy where the machine's order is another one. */
export function littleEndianView(values: Float32Array | Uint16Array | Uint8Array): Uint8Array {
  if (endianness() === 'LE' || values.BYTES_PER_ELEMENT === 1) return viewOf(values);
  const bytes = Buffer.from(viewOf(values));
  return values.BYTES_PER_ELEMENT === 2 ? bytes.swap16() : bytes.swap32();
}

/** The same memory as bytes. */
export function viewOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export function damaged(file: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${file} isn't a sound checkpoint: ${problem}. Use another one.`, { file, cause });
}

/** A copy of little-endian float32, wherever the bytes lie. */
export function float32From(bytes: Uint8Array): Float32Array {
  // A fresh buffer: the tensor's place in the file need not suit a Float32Array.
  const copy = new Uint8Array(bytes);
  if (endianness() === 'BE') Buffer.from(copy.buffer).swap32();
  return new Float32Array(copy.buffer);
}

function parseHeader(header: Buffer, { file, refusal, types }: HeaderOptions) {
  let json: unknown;
  try {
    json = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (error) {
    throw refusal(file, `its header is not JSON (${(error as Error).message})`, error);
  }
  const parsed = headerOfTypes(types).safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusal(file, `its header's ${issue?.path.join('.')}: ${issue?.message}`, parsed.error);
}
