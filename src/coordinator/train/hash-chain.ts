import { createHash } from 'node:crypto';

/** Before the first link. */
export const CHAIN_START = '0'.repeat(64);

export interface Link {
  readonly step: number;
  /** The step's mean loss. */
  readonly loss: number;
  /** Of the weights after it, in hex. */
  readonly weightsSha256: string;
}

/**
 * A hash over the run so far: two runs with the same value took the same way there. A link is SHA-256(the value before ‖ step,
 * uint64 ‖ loss, float64 ‖ the weights' SHA-256), numbers little-endian, hashes as their 32 bytes.
 */
export class HashChain {
  #value: string;

  /** @param value where a resumed run's chain stood */
  constructor(value: string = CHAIN_START) {
    this.#value = value;
  }

  /** Of the last link, in hex. */
  get value(): string {
    return this.#value;
  }

  /** @returns the new value */
  link({ step, loss, weightsSha256 }: Link): string {
    const numbers = Buffer.alloc(16);
    numbers.writeBigUInt64LE(BigInt(step), 0);
    numbers.writeDoubleLE(loss, 8);
    const hash = createHash('sha256').update(this.#value, 'hex').update(numbers).update(weightsSha256, 'hex');
    this.#value = hash.digest('hex');
    return this.#value;
  }
}
