import { createHash } from 'node:crypto';

/** The chain's value before its first link. */
export const CHAIN_START = '0'.repeat(64);

export interface Link {
  readonly step: number;
  /** The step's mean loss. */
  readonly loss: number;
  /** Digest of the weights after the step, in hex. */
  readonly weightsSha256: string;
}

/**
 * A hash over the run so far: two runs with the same value had the same losses and weights at every link. A link is SHA-256(the
 * value before ‖ step, uint64 ‖ loss, float64 ‖ the weights' SHA-256), numbers little-endian, hashes as their 32 bytes.
 */
export class HashChain {
  #value: string;

  /** @param value the last value of a resumed run's chain, in hex */
  constructor(value: string = CHAIN_START) {
    this.#value = value;
  }

  /** The last link's hash, in hex. */
  get value(): string {
    return this.#value;
  }

  /** Adds a link. @returns the new value, in hex */
  link({ step, loss, weightsSha256 }: Link): string {
    const numbers = Buffer.alloc(16);
    numbers.writeBigUInt64LE(BigInt(step), 0);
    numbers.writeDoubleLE(loss, 8);
    const hash = createHash('sha256').update(this.#value, 'hex').update(numbers).update(weightsSha256, 'hex');
    this.#value = hash.digest('hex');
    return this.#value;
  }
}
