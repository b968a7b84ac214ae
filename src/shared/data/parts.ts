import { isDeepStrictEqual } from 'node:util';
import type { ByteSource } from '../util/byte-source.ts';
import { DatasetError } from '../util/errors.ts';
import { PART_BYTES } from '../wire/messages.ts';
import type { Arrays, Dataset, DatasetShape } from './dataset.ts';
import { identify } from './identify.ts';
import { findPacked } from './packed.ts';

/** A packed data set in parts of equal length, the last one maybe shorter. */
export class Parts {
  /** Of all parts together. */
  readonly bytes: number;
  readonly #pieces: readonly Uint8Array[];

  /** @param pieces of the file, one after the other */
  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.bytes = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  get length(): number {
    return Math.ceil(this.bytes / PART_BYTES);
  }

  /** Undefined if there is no such part. */
  at(part: number): Uint8Array | undefined {
    if (part < 0 || part >= this.length) return undefined;
    const [begin, end] = [part * PART_BYTES, Math.min((part + 1) * PART_BYTES, this.bytes)];
    const bytes = new Uint8Array(end - begin);
    let start = 0;
    for (const piece of this.#pieces) {
      const [from, to] = [Math.max(begin, start), Math.min(end, start + piece.length)];
      if (from < to) bytes.set(piece.subarray(from - start, to - start), from - begin);
      start += piece.length;
    }
    return bytes;
  }
}

/**
 * A data set from the packed file that a coordinator sent.
 * @throws DatasetError if it isn't one, or has another shape or digest
 */
export async function receivedDataset(
  source: ByteSource,
  expected: { readonly sha256: string; readonly shape: DatasetShape },
  arrays: Arrays,
): Promise<Dataset> {
  const found = await findPacked(source);
  if (!isDeepStrictEqual(found.shape, expected.shape)) {
    throw new DatasetError("The data set that was received has another shape than the run's.");
  }
  const dataset = identify(await found.read(arrays), source.path);
  if (dataset.sha256 === expected.sha256) return dataset;
  throw new DatasetError(
    `The data set that was received has the digest ${dataset.sha256}, but the run has ${expected.sha256}.`,
  );
}
