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

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
export const MAX_HEADER_BYTES = 1 << 20;

const Count = z.int().nonnegative();
const TensorEntry = z.strictObject({
  dtype: z.literal('F32', { error: ({ input }) => `expected F32, but it is ${JSON.stringify(input)?.slice(0, 40)}` }),
  shape: z.array(Count).max(8),
  data_offsets: z.tuple([Count, Count]),
});
const Header = z.object({ __metadata__: z.record(z.string(), z.string()).optional() }).catchall(TensorEntry);

/**
 * The safetensors format: the header's length as a little-endian uint64, a JSON header, the tensors' bytes one after the
 * other. Metadata keys are sorted; the header is padded with spaces so that the data is aligned to 8 bytes. The arrays
 * are copied before this returns. https://huggingface.co/docs/safetensors
 */
export function encodeSafetensors(tensors: readonly Tensor[], metadata: Readonly<Record<string, string>>): Buffer {
  let end = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    const begin = end;
    end += data.byteLength;
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype: 'F32', shape, data_offsets: [begin, end] })}`;
  });
  const header = Buffer.from(`{${[`"__metadata__":${canonicalJson(metadata)}`, ...entries].join(',')}}`);
  const padded = Math.ceil(header.length / ALIGNMENT) * ALIGNMENT;
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(padded));
  const padding = Buffer.alloc(padded - header.length, ' ');
  return Buffer.concat([length, header, padding, ...tensors.map((tensor) => littleEndianBytes(tensor.data))]);
}

/** Makes the error that names a file and what is wrong with it. */
type Refusal = (file: string, problem: string, cause?: unknown) => CheckpointError;

/**
 * Reads a safetensors file of float32 tensors, whatever the alignment of `bytes`; `file` is the name that errors give.
 * @throws CheckpointError where anything in it contradicts the format, as `refusal` words it
 */
export function decodeSafetensors(bytes: Uint8Array, file: string, refusal: Refusal = damaged): TensorFile {
  const header = headerOf(bytes, file, refusal);
  const { __metadata__: metadata = {}, ...entries } = parseHeader(header, file, refusal);
  const data = bytes.subarray(LENGTH_BYTES + header.length);
  const tensors = new Map<string, Tensor>();
  let next = 0;
  const byOffset = Object.entries(entries).sort(([, a], [, b]) => a.data_offsets[1] - b.data_offsets[1]);
  for (const [name, { shape, data_offsets }] of byOffset) {
    const [begin, end] = data_offsets;
    const size = shape.reduce((product, side) => product * side, 1);
    if (begin !== next || end - begin !== 4 * size || end > data.length) {
      throw refusal(
        file,
        `tensor ${name} of ${shape.join('x')} can't lie at ${begin} to ${end} of ${data.length} bytes`,
      );
    }
    tensors.set(name, { name, shape, data: float32From(data.subarray(begin, end)) });
    next = end;
  }
  if (next !== data.length) throw refusal(file, `expected ${next} bytes of tensors, but it holds ${data.length}`);
  return { metadata, tensors };
}

/**
 * The header's bytes, padding included: a view that begins 8 bytes into the file.
 * @throws CheckpointError where its length is impossible
 */
export function headerOf(bytes: Uint8Array, file: string, refusal: Refusal = damaged): Buffer {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < LENGTH_BYTES) throw refusal(file, `expected a header, but it holds ${view.length} bytes`);
  const length = view.readBigUInt64LE();
  const limit = Math.min(view.length - LENGTH_BYTES, MAX_HEADER_BYTES);
  if (length > limit) throw refusal(file, `expected a header of at most ${limit} bytes, but it claims ${length}`);
  return view.subarray(LENGTH_BYTES, LENGTH_BYTES + Number(length));
}

/** A copy of the values as little-endian float32, the byte order of files and hashes on every machine. */
export function littleEndianBytes(values: Float32Array): Buffer {
  const bytes = Buffer.from(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return endianness() === 'LE' ? bytes : bytes.swap32();
}

export function damaged(file: string, problem: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${file} isn't a sound checkpoint: ${problem}. Use another one.`, { file, cause });
}

function float32From(bytes: Uint8Array): Float32Array {
  // A fresh buffer: the tensor's place in the file need not suit a Float32Array.
  const copy = new Uint8Array(bytes);
  if (endianness() === 'BE') Buffer.from(copy.buffer).swap32();
  return new Float32Array(copy.buffer);
}

function parseHeader(header: Buffer, file: string, refusal: Refusal): z.infer<typeof Header> {
  let json: unknown;
  try {
    json = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(header));
  } catch (error) {
    throw refusal(file, `its header is not JSON (${(error as Error).message})`, error);
  }
  const parsed = Header.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw refusal(file, `its header's ${issue?.path.join('.')}: ${issue?.message}`, parsed.error);
}
