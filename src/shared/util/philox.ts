/**
 * Philox4x32-10, a counter-based generator: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3", SC 2011. It keeps no state, so any draw of a run can be had at once. How it is used: docs/determinism.md.
 */
const ROUNDS = 10;
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

const TWO_32 = 0x100000000;

/**
 * What a stream of words is for; one counter word, so that two purposes never share a block. Dropout has one a layer: 4 + 256 times
 * the layer's zero-based place in the spec.
 */
export const PURPOSE = { initialWeights: 1, permutation: 2, augmentation: 3, dropout: 4 } as const;

/** Writes the block of `counter` [4] under `key` [2] over `block` [4]. */
export function philox(counter: Uint32Array, key: Uint32Array, block: Uint32Array): void {
  let c0 = counter[0] as number;
  let c1 = counter[1] as number;
  let c2 = counter[2] as number;
  let c3 = counter[3] as number;
  let k0 = key[0] as number;
  let k1 = key[1] as number;
  for (let round = 0; round < ROUNDS; ++round) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  block[0] = c0;
  block[1] = c1;
  block[2] = c2;
  block[3] = c3;
}

/**
 * The upper half of a 64-bit product of two 32-bit words, signed or not, as a signed word. Products of 16-bit halves and
 * the carries below fit 32 bits, so nothing is lost.
 */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) | 0;
  const carried = (Math.imul(aLow, bHigh) + (middle & 0xffff)) | 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carried >>> 16)) | 0;
}

/**
 * Endless words for each (seed, purpose, index): word w of a stream is word w mod 4 of the block whose counter is
 * (floor(w / 4), index mod 2^32, floor(index / 2^32), purpose), under the key (seed mod 2^32, floor(seed / 2^32)).
 */
export class PhiloxStream {
  readonly #counter: Uint32Array;
  readonly #key: Uint32Array;
  readonly #block = new Uint32Array(4);
  #word = 4;

  /**
   * @param seed a whole number from 0 to 2^53 - 1
   * @param purpose one of PURPOSE, or a dropout layer's
   */
  constructor(seed: number, purpose: number) {
    this.#counter = new Uint32Array([0, 0, 0, purpose]);
    this.#key = new Uint32Array([seed % TWO_32, Math.floor(seed / TWO_32)]);
  }

  /** Goes to the first word of a stream; index is a whole number from 0 to 2^53 - 1. */
  seek(index: number): void {
    this.#counter[0] = 0;
    this.#counter[1] = index % TWO_32;
    this.#counter[2] = Math.floor(index / TWO_32);
    this.#word = 4;
  }

  /** The next 32 bits, 0 to 2^32 - 1. */
  next(): number {
    if (this.#word === 4) {
      philox(this.#counter, this.#key, this.#block);
      (this.#counter[0] as number)++;
      this.#word = 0;
    }
    return this.#block[this.#word++] as number;
  }

  /**
   * A whole number from 0 to bound - 1, every one equally likely; bound from 1 to 2^32 - 1. The upper half of
   * word times bound, drawing anew while the lower half is below 2^32 mod bound: D. Lemire, "Fast random integer
   * generation in an interval", ACM TOMACS 2019.
   */
  below(bound: number): number {
    let word = this.next();
    let low = Math.imul(word, bound) >>> 0;
    // 2^32 mod bound is below bound, so the division is seldom needed.
    if (low < bound) {
      const rejected = TWO_32 % bound;
      while (low < rejected) {
        word = this.next();
        low = Math.imul(word, bound) >>> 0;
      }
    }
    return multiplyHigh(word, bound) >>> 0;
  }
}
