import type { StepRecord } from '../../train/observer.ts';
import { STEP_SERIES, sampleOf } from '../prometheus/step-series.ts';

/** About 54 KB before compression, encoded in less than a millisecond. */
export const BATCH_STEPS = 500;
/** A timestamp and a value for each series. */
const ROW = 1 + STEP_SERIES.length;
/** Marks that a step has no sample of a series: values that aren't finite are NaN. */
const NONE = Number.NEGATIVE_INFINITY;
const BATCH_BYTES = BATCH_STEPS * ROW * Float64Array.BYTES_PER_ELEMENT;
const MAX_BYTES = 16e6;

/** The attempt of a batch's steps, and whether an earlier process may have sent them. */
export interface Origin {
  readonly attempt: number;
  readonly mayBeDelivered: boolean;
}

/** Steps that are sent together, packed. */
export class Batch {
  readonly origin: Origin;
  readonly #latest: Float64Array;
  readonly #rows = new Float64Array(BATCH_STEPS * ROW);
  #steps = 0;
  #samples = 0;
  #last = 0;

  /** @param latest the timestamps of the last samples of all series, in batches before too */
  constructor(origin: Origin, latest: Float64Array = noSamples()) {
    this.origin = origin;
    this.#latest = latest;
  }

  /** The number of the last step. */
  get last(): number {
    return this.#last;
  }

  get full(): boolean {
    return this.#steps === BATCH_STEPS;
  }

  /** Samples of all series. */
  get samples(): number {
    return this.#samples;
  }

  /** Adds the samples of a step. Where steps share a millisecond, a series has that of the first. */
  add(record: StepRecord): void {
    const row = this.#rows.subarray(this.#steps * ROW, (this.#steps + 1) * ROW);
    const at = record.timings.at ?? 0;
    row[0] = at;
    for (const [i, series] of STEP_SERIES.entries()) {
      const value = sampleOf(series, record);
      const isNew = value !== undefined && at > (this.#latest[i] as number);
      row[1 + i] = isNew ? value : NONE;
      if (!isNew) continue;
      this.#samples++;
      this.#latest[i] = at;
    }
    this.#steps++;
    this.#last = record.step;
  }

  /** The samples of a series, by its index in STEP_SERIES, in the order of time: Unix milliseconds and the value. */
  samplesOf(series: number): { timestamp: number; value: number }[] {
    const samples: { timestamp: number; value: number }[] = [];
    for (let at = 0; at < this.#steps * ROW; at += ROW) {
      const value = this.#rows[at + 1 + series] as number;
      if (value !== NONE) samples.push({ timestamp: this.#rows[at] as number, value });
    }
    return samples;
  }
}

function noSamples(): Float64Array {
  return new Float64Array(STEP_SERIES.length).fill(Number.NEGATIVE_INFINITY);
}

/** Steps that wait to be sent, in order, in bounded memory: if it is full, the oldest batch is dropped. */
export class StepQueue {
  readonly #capacity: number;
  readonly #batches: Batch[] = [];
  readonly #latest = noSamples();
  #samples = 0;

  /** @param bytes the size of the queue */
  constructor(bytes = MAX_BYTES) {
    this.#capacity = Math.max(1, Math.floor(bytes / BATCH_BYTES));
  }

  /** Samples in the queue. */
  get samples(): number {
    return this.#samples;
  }

  /** Whether the oldest batch is complete. */
  get hasWholeBatch(): boolean {
    return this.#batches.length > 1 || this.#batches[0]?.full === true;
  }

  /** @returns the number of samples that were dropped */
  add(record: StepRecord, origin: Origin): number {
    let last = this.#batches.at(-1);
    let dropped = 0;
    if (last === undefined || last.full || !sameOrigin(last.origin, origin)) {
      if (this.#batches.length === this.#capacity) dropped = this.take()?.samples ?? 0;
      last = new Batch(origin, this.#latest);
      this.#batches.push(last);
    }
    const before = last.samples;
    last.add(record);
    this.#samples += last.samples - before;
    return dropped;
  }

  /** Passes over a step that was sent before. */
  pass({ timings }: StepRecord): void {
    if (timings.at !== undefined) this.#latest.fill(timings.at);
  }

  /** Removes the oldest batch. */
  take(): Batch | undefined {
    const batch = this.#batches.shift();
    this.#samples -= batch?.samples ?? 0;
    return batch;
  }
}

function sameOrigin(a: Origin, b: Origin): boolean {
  return a.attempt === b.attempt && a.mayBeDelivered === b.mayBeDelivered;
}
