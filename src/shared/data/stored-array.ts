import { endianness } from 'node:os';
import { DatasetError } from '../util/errors.ts';

/** The types of elements that are read: unsigned and signed integers, and floats, by their bits. */
export const STORED_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64', 'bool'] as const;
export type StoredType = (typeof STORED_TYPES)[number];

/** An array in a file, whose elements are read piece by piece. */
export interface StoredArray {
  /** Names it in errors. */
  readonly path: string;
  readonly type: StoredType;
  /** Whether an element's first byte is its highest. */
  readonly isBigEndian: boolean;
  readonly shape: readonly number[];
  /** Whether the first index changes fastest from element to element (Fortran's order), or the last (C's). */
  readonly isColumnMajor: boolean;
  /** The bytes of all elements, and maybe others behind them. */
  bytes(): AsyncIterable<Uint8Array>;
}

const VIEWS = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f32: Float32Array,
  f64: Float64Array,
  bool: Uint8Array,
} as const;

export function typeBytes(type: StoredType): number {
  return VIEWS[type].BYTES_PER_ELEMENT;
}

export function elementsOf({ shape }: Pick<StoredArray, 'shape'>): number {
  return shape.reduce((product, side) => product * side, 1);
}

export function isFloat({ type }: Pick<StoredArray, 'type'>): boolean {
  return type === 'f32' || type === 'f64';
}

/** Bytes of elements that are handed on at once. */
const PIECE_BYTES = 1 << 18;

/**
 * The elements in the file's order, piece by piece; a piece is overwritten by the next one.
 * @throws DatasetError if there are fewer than its shape says
 */
export async function* elementsIn(array: StoredArray): AsyncGenerator<ArrayLike<number>> {
  const width = typeBytes(array.type);
  // Of its own, so that the elements lie where a view of them may begin.
  const piece = new Uint8Array(PIECE_BYTES);
  let left = elementsOf(array) * width;
  let filled = 0;
  for await (const chunk of array.bytes()) {
    for (let at = 0; at < chunk.length && left > 0; ) {
      const length = Math.min(chunk.length - at, piece.length - filled, left);
      piece.set(chunk.subarray(at, at + length), filled);
      filled += length;
      at += length;
      left -= length;
      if (filled < piece.length && left > 0) continue;
      yield numbersIn(piece.subarray(0, filled), array);
      filled = 0;
    }
    if (left === 0) return;
  }
  if (left > 0) throw badArray(array.path, `it ends ${left} bytes early`);
}

function numbersIn(bytes: Uint8Array, { type, isBigEndian }: StoredArray): ArrayLike<number> {
  const width = typeBytes(type);
  if (width > 1 && isBigEndian !== (endianness() === 'BE')) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (width === 2) buffer.swap16();
    else if (width === 4) buffer.swap32();
    else buffer.swap64();
  }
  const view = new VIEWS[type](bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / width);
  return view instanceof BigInt64Array || view instanceof BigUint64Array ? Float64Array.from(view, Number) : view;
}

export function badArray(path: string, problem: string, cause?: unknown): DatasetError {
  return new DatasetError(`${path}: ${problem}. Save it again, or name another data set by --data.`, {
    file: path,
    cause,
  });
}
