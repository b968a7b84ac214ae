import { PhiloxStream, PURPOSE } from '../util/philox.ts';

export type Augment = 'none' | 'shift';

/** Shifts go this many pixels either way. */
export const MAX_SHIFT = 2;
const SHIFTS = 2 * MAX_SHIFT + 1;

export interface SamplerOptions {
  /** Samples in the data set, 1 to 2^31 - 1. */
  readonly samples: number;
  /** Samples of a global batch. */
  readonly batch: number;
  /** A whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  readonly augment: Augment;
}

/**
 * Which samples a step sees and how they are shifted: a pure function of the options, the step and the place in its
 * batch, written down in docs/determinism.md. What is kept between calls saves time and changes nothing.
 */
export class Sampler {
  readonly #samples: number;
  readonly #batch: number;
  readonly #augment: Augment;
  readonly #permutations: PhiloxStream;
  readonly #augmentations: PhiloxStream;
  /** One order for each parity of the epoch, so that the two epochs of a straddling batch don't displace each other. */
  readonly #orders: readonly [EpochOrder, EpochOrder];

  constructor({ samples, batch, seed, augment }: SamplerOptions) {
    this.#samples = samples;
    this.#batch = batch;
    this.#augment = augment;
    this.#permutations = new PhiloxStream(seed, PURPOSE.permutation);
    this.#augmentations = new PhiloxStream(seed, PURPOSE.augmentation);
    this.#orders = [newOrder(samples), newOrder(samples)];
  }

  /**
   * Samples first to first + count - 1 of the batch of t, the number of updates done before it; t · batch stays below 2^53.
   * @param indices [count or more], receives places in the data set from its start on
   * @param shifts [count or more][2], receives rows down and columns right from its start on
   */
  fill(t: number, first: number, count: number, indices: Int32Array, shifts: Int8Array): void {
    // Positions outgrow 32 bits: no bitwise operators on them.
    const start = t * this.#batch + first;
    let epoch = Math.floor(start / this.#samples);
    let place = start - epoch * this.#samples;
    let order = this.#order(epoch);
    for (let i = 0; i < count; ++i) {
      if (place === this.#samples) {
        place = 0;
        order = this.#order(++epoch);
      }
      indices[i] = order[place++] as number;
    }
    if (this.#augment === 'shift') this.#fillShifts(start, count, shifts);
    else shifts.fill(0, 0, 2 * count);
  }

  #fillShifts(start: number, count: number, shifts: Int8Array): void {
    for (let i = 0; i < count; ++i) {
      this.#augmentations.seek(start + i);
      const cell = this.#augmentations.below(SHIFTS * SHIFTS);
      shifts[2 * i] = Math.floor(cell / SHIFTS) - MAX_SHIFT;
      shifts[2 * i + 1] = (cell % SHIFTS) - MAX_SHIFT;
    }
  }

  #order(epoch: number): Int32Array {
    const slot = this.#orders[epoch % 2 === 0 ? 0 : 1];
    if (slot.epoch !== epoch) {
      this.#permutations.seek(epoch);
      shuffle(slot.order, this.#permutations);
      slot.epoch = epoch;
    }
    return slot.order;
  }
}

interface EpochOrder {
  epoch: number;
  readonly order: Int32Array;
}

function newOrder(samples: number): EpochOrder {
  return { epoch: -1, order: new Int32Array(samples) };
}

/** Fisher and Yates, from the last place down, starting at the identity. */
function shuffle(order: Int32Array, stream: PhiloxStream): void {
  for (let i = 0; i < order.length; ++i) order[i] = i;
  for (let last = order.length - 1; last > 0; --last) {
    const chosen = stream.below(last + 1);
    const sample = order[chosen] as number;
    order[chosen] = order[last] as number;
    order[last] = sample;
  }
}
