import { PhiloxStream, PURPOSE } from '../util/philox.ts';
import { streamOf } from './augmentations/augmenter.ts';
import { parseAugmentations } from './augmentations/registry.ts';
import { drawShift, SHIFT } from './augmentations/shift.ts';

export interface SamplerOptions {
  /** Samples to draw from, 1 to 2^31 - 1. */
  readonly samples: number;
  /** [samples]: the place of each in the data set; undefined: they are all of it. */
  readonly places?: Int32Array | undefined;
  /** Samples of a global batch. */
  readonly batch: number;
  /** A whole number from 0 to 2^53 - 1. */
  readonly seed: number;
  /** A list as run.json has it: augmentations/registry.ts. */
  readonly augment: string;
}

/**
 * Which samples a step sees and how they are shifted: a pure function of the options, the step and the place in its
 * batch, written down in docs/determinism.md. What is kept between calls saves time and changes nothing.
 */
export class Sampler {
  readonly #samples: number;
  readonly #places: Int32Array | undefined;
  readonly #batch: number;
  readonly #permutations: PhiloxStream;
  /** Undefined if samples aren't shifted. */
  readonly #shifts: PhiloxStream | undefined;
  /** One order for each parity of the epoch, so that the two epochs of a straddling batch don't displace each other. */
  readonly #orders: readonly [EpochOrder, EpochOrder];

  constructor({ samples, places, batch, seed, augment }: SamplerOptions) {
    this.#samples = samples;
    this.#places = places;
    this.#batch = batch;
    this.#permutations = new PhiloxStream(seed, PURPOSE.permutation);
    const isShifted = parseAugmentations(augment).some(({ kind }) => kind === SHIFT);
    this.#shifts = isShifted ? streamOf(SHIFT, seed) : undefined;
    this.#orders = [newOrder(samples), newOrder(samples)];
  }

  /**
   * Samples first to first + count - 1 of the batch of t, the number of updates done before it; t · batch stays below 2^53.
   * @param indices [count or more], receives places in the data set from its start on
   * @param shifts [count or more][2], receives rows down and columns right from its start on
   * @returns the position of the first one in the stream of samples, t · batch + first
   */
  fill(t: number, first: number, count: number, indices: Int32Array, shifts: Int8Array): number {
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
      const sample = order[place++] as number;
      indices[i] = this.#places?.[sample] ?? sample;
    }
    if (this.#shifts === undefined) shifts.fill(0, 0, 2 * count);
    else fillShifts(this.#shifts, start, count, shifts);
    return start;
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

function fillShifts(stream: PhiloxStream, start: number, count: number, shifts: Int8Array): void {
  for (let i = 0; i < count; ++i) {
    stream.seek(start + i);
    drawShift(stream, shifts, i);
  }
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
