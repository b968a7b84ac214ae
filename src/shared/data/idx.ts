import { DatasetError } from '../util/errors.ts';

export interface IdxArray {
  readonly shape: readonly number[];
  /** The elements in row-major order: a view of the bytes that were parsed. */
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;
const MAX_DIMENSIONS = 4;
/** The longest header. */
export const MAX_IDX_HEADER_BYTES = 4 + 4 * MAX_DIMENSIONS;
const MNIST_ADVICE =
  'Fetch this file again, or name another folder that holds the four MNIST files by --data or $MNIST_DIR.';

/**
 * Reads the IDX format of the MNIST files: two zero bytes, the element type, the number of dimensions, each dimension as
 * a big-endian uint32, then the elements. Only unsigned bytes are supported. `file` is the name that errors give, and `advice` what they
 * advise: by default what to do about one of MNIST's files.
 * @throws DatasetError if the header or the length is wrong
 */
export function parseIdx(bytes: Uint8Array, file: string, advice = MNIST_ADVICE): IdxArray {
  const shape = idxShape(bytes, file, advice);
  const header = idxHeaderBytes(shape.length);
  const expected = header + elements(shape);
  if (bytes.length !== expected) {
    const state = bytes.length < expected ? 'is truncated' : 'has bytes after its end';
    throw badFile(
      file,
      `${state}: expected ${expected} bytes for ${shape.join('x')}, but it holds ${bytes.length}.`,
      undefined,
      advice,
    );
  }
  return { shape, data: bytes.subarray(header) };
}

/**
 * The shape of the array in a file from its first bytes.
 * @throws DatasetError if the header is wrong
 */
export function idxShape(start: Uint8Array, file: string, advice = MNIST_ADVICE): number[] {
  const badIdx = (problem: string): DatasetError => badFile(file, problem, undefined, advice);
  const [first, second, type, dimensions = 0] = start;
  if (first !== 0 || second !== 0 || type !== UNSIGNED_BYTE || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    const hex = Buffer.from(start.subarray(0, 4)).toString('hex');
    throw badIdx(
      `expected an IDX file of unsigned bytes, which starts with 0000080N and N from 1 to ${MAX_DIMENSIONS}, ` +
        `but it ${hex === '' ? 'is empty' : `starts with ${hex}`}.`,
    );
  }
  const header = idxHeaderBytes(dimensions);
  if (start.length < header)
    throw badIdx(`expected an IDX header of ${header} bytes, but it ends after ${start.length}.`);
  const view = new DataView(start.buffer, start.byteOffset, header);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  if (!Number.isSafeInteger(header + elements(shape)))
    throw badIdx(`no file holds the array of ${shape.join('x')} that its header has.`);
  return shape;
}

/** Writes the header of an array of unsigned bytes to the start of `bytes`. */
export function writeIdxHeader(bytes: Uint8Array, shape: readonly number[]): void {
  bytes.set([0, 0, UNSIGNED_BYTE, shape.length]);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (const [i, side] of shape.entries()) view.setUint32(4 + 4 * i, side);
}

export function idxHeaderBytes(dimensions: number): number {
  return 4 + 4 * dimensions;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

export function badFile(file: string, problem: string, cause?: unknown, advice = MNIST_ADVICE): DatasetError {
  return new DatasetError(`${file}: ${problem} ${advice}`, { file, cause });
}
