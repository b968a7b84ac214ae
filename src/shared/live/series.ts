import { isOwnQuantity, MAX_OWN_SCALARS, type OwnQuantity, ownQuantity } from './own-scalars.ts';
import { append, entry, type Finite, mix, NONE, of, type Range } from './ranges.ts';
import { CHARTED_SCALARS, type Quantity, type StepRecord } from './step-scalars.ts';
import { elapsedAfter, firstIndex, rounded, setTime, type Times } from './step-times.ts';

export type { Finite, Range } from './ranges.ts';

/** What a history can have a curve of. */
export type CurveQuantity = Quantity | OwnQuantity;

/** The quantities of each step that every history keeps. */
export const QUANTITIES: readonly Quantity[] = CHARTED_SCALARS.map(({ key }) => key);

/** A step as the page shows it. `at`: when it was done, in Unix milliseconds; null in the log of an older version. */
export type Point = { readonly step: number; readonly at: Finite } & Readonly<Record<Quantity, Finite>> &
  Readonly<Partial<Record<OwnQuantity, Finite>>>;

export function pointOf(record: StepRecord): Point {
  const values = CHARTED_SCALARS.map(({ key, read }) => [key, finite(read(record))]);
  const own = Object.entries(record.scalars ?? {}).map(([name, value]) => [ownQuantity(name), finite(value)]);
  const at = finite(record.timings.at);
  return { step: record.step, at, ...(Object.fromEntries([...values, ...own]) as Record<CurveQuantity, Finite>) };
}

export function finite(value: number | undefined): Finite {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** The most buckets: a run of up to so many steps is kept step by step. */
export const CAPACITY = 16_384;

/** A history as JSON. */
export interface SeriesData {
  /** Steps in a bucket, a power of two. */
  readonly size: number;
  /** The number of each bucket: step s is in bucket floor((s - 1) / size). */
  readonly buckets: readonly number[];
  /** The number of steps in each bucket so far; a log may leave steps out. */
  readonly counts: readonly number[];
  /** The last step; 0: there is none. */
  readonly last: number;
  readonly values: Readonly<Record<CurveQuantity, Range>>;
  /** Undefined: the times of the steps aren't known. */
  readonly times?: Times | undefined;
}

/** One quantity as a chart draws it. */
export interface Curve extends Range {
  /** The middle of the steps that each value stands for. */
  readonly steps: number[];
  /** The most steps that a value stands for; 1: each step is drawn. */
  readonly size: number;
}

/** The part of a history that a chart shows. */
export interface CurveOptions {
  readonly from: number;
  readonly to: number;
  /** The approximate number of values to draw. */
  readonly points: number;
  /** Whether the axis of steps is logarithmic: later values then stand for more steps. */
  readonly isLogarithmic?: boolean;
}

/** The steps that a curve's value stands for, from their middle: twice the middle minus one is their number, a power of two, times an odd number. */
export function stepsAround(middle: number): { readonly first: number; readonly last: number } {
  const twice = 2 * middle - 1;
  const size = twice & -twice;
  return { first: middle - (size - 1) / 2, last: middle + (size - 1) / 2 };
}

/**
 * A run's history in bounded memory: every step up to a capacity; beyond it, neighbours are merged into buckets of twice as many
 * steps, which keep the minimum and the maximum besides the mean, so that no peak is lost.
 */
export class StepSeries {
  readonly #capacity: number;
  #size = 1;
  #buckets: number[] = [];
  #counts: number[] = [];
  #last = 0;
  #values = emptyValues(QUANTITIES);
  #times: Times | undefined = { wall: [], elapsed: [] };

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  static from(data: SeriesData, capacity = CAPACITY): StepSeries {
    const series = new StepSeries(capacity);
    series.#size = data.size;
    series.#buckets = [...data.buckets];
    series.#counts = [...data.counts];
    series.#last = data.last;
    for (const [quantity, { min, mean, max }] of Object.entries(data.values)) {
      series.#values.set(quantity as CurveQuantity, { min: [...min], mean: [...mean], max: [...max] });
    }
    const { times } = data;
    series.#times = times && { wall: [...times.wall], elapsed: [...times.elapsed] };
    return series;
  }

  /** Steps in a bucket. */
  get size(): number {
    return this.#size;
  }

  /** The first step and the last; undefined: there is none. */
  get span(): { readonly first: number; readonly last: number } | undefined {
    const [first] = this.#buckets;
    return first === undefined ? undefined : { first: first * this.#size + 1, last: this.#last };
  }

  /** Whether steps are missing, as in a log that leaves some out. */
  get isThin(): boolean {
    const { first, last } = this.span ?? { first: 1, last: 0 };
    return this.#counts.reduce((sum, count) => sum + count, 0) < last - first + 1;
  }

  /** The caller's own quantities of its steps so far. */
  get own(): readonly OwnQuantity[] {
    return [...this.#values.keys()].filter(isOwnQuantity);
  }

  /** Adds a step; steps come in order. A step that isn't beyond the last bucket is merged into it. */
  push(point: Point): void {
    const bucket = Math.floor((point.step - 1) / this.#size);
    const at = this.#buckets.length - 1;
    const elapsed = elapsedAfter(this.#times, point, this.#last === 0 ? 1 : point.step - this.#last);
    this.#last = point.step;
    this.#admit(point);
    if (at >= 0 && bucket <= (this.#buckets[at] as number)) {
      const count = this.#counts[at] as number;
      for (const [quantity, range] of this.#values) mix(range, at, of(point[quantity] ?? null), count, 1);
      this.#counts[at] = count + 1;
      setTime(this.#times, at, point.at, elapsed);
      return;
    }
    setTime(this.#times, at + 1, point.at, elapsed);
    this.#buckets.push(bucket);
    this.#counts.push(1);
    for (const [quantity, range] of this.#values) append(range, of(point[quantity] ?? null));
    if (this.#buckets.length > this.#capacity) this.#halve();
  }

  /** The history as JSON, to six digits: more than a chart shows. */
  get data(): SeriesData {
    const shortened = ({ min, mean, max }: Range): Range => ({
      min: min.map(sixDigits),
      mean: mean.map(sixDigits),
      max: max.map(sixDigits),
    });
    const values = Object.fromEntries([...this.#values].map(([quantity, range]) => [quantity, shortened(range)]));
    const times = this.#times && rounded(this.#times);
    const [size, buckets, counts, last] = [this.#size, this.#buckets, this.#counts, this.#last];
    return { size, buckets, counts, last, values: values as SeriesData['values'], times };
  }

  /** Whether it is known of every step when it was done. */
  has(clock: keyof Times): boolean {
    const times = this.#times?.[clock] ?? [];
    return times.length > 0 && times[0] !== null;
  }

  /** When a step was done by a clock that it has; within a bucket, the time of its last step. */
  timeOf(step: number, clock: keyof Times): number {
    const times = this.#times?.[clock] ?? [];
    return times[Math.min(this.#firstFrom(step), times.length - 1)] ?? 0;
  }

  /** The first step that was done at a time or later, and the last one of its bucket; after the end, the last step. */
  stepsAt(time: number, clock: keyof Times): { readonly first: number; readonly last: number } {
    const times = this.#times?.[clock] ?? [];
    const at = firstIndex(times.length - 1, (i) => (times[i] ?? 0) >= time);
    const before = (this.#buckets[at] ?? 0) * this.#size;
    return { first: before + 1, last: before + this.#size };
  }

  /** A quantity between two steps in about `points` values at most, whose buckets are the same in every run. */
  curve(quantity: CurveQuantity, { from, to, points, isLogarithmic = false }: CurveOptions): Curve {
    // Powers of ten are equally wide on a logarithmic axis, so a value near step s stands for a fraction of s steps.
    const perStep = Math.log(Math.max(2, to / from));
    const sizeOf = (steps: number): number => Math.max(this.#size, sizeFor(steps, points));
    const even = sizeOf(to - from + 1);
    const values = this.#values.get(quantity) ?? NONE;
    const curve: Curve & { size: number } = { size: 1, steps: [], min: [], mean: [], max: [] };
    let last = -1;
    let count = 0;
    for (let at = this.#firstFrom(from); at < this.#buckets.length; at++) {
      const before = (this.#buckets[at] as number) * this.#size;
      if (before >= to) break;
      const size = isLogarithmic ? sizeOf(powerOfTwo(before) * perStep) : even;
      const middle = before - (before % size) + (size + 1) / 2;
      const [weight, value] = [this.#counts[at] as number, entry(values, at)];
      if (middle === last) {
        mix(curve, curve.steps.length - 1, value, count, weight);
        count += weight;
        continue;
      }
      last = middle;
      count = weight;
      curve.size = Math.max(curve.size, size);
      curve.steps.push(middle);
      append(curve, value);
    }
    return curve;
  }

  /** Makes room for the quantities of a step that the steps before didn't have; a log that somebody else made may have any number. */
  #admit(point: Point): void {
    for (const key in point) {
      if (!isOwnQuantity(key) || this.#values.has(key) || this.own.length === MAX_OWN_SCALARS) continue;
      const before = this.#buckets.map(() => null);
      this.#values.set(key, { min: [...before], mean: [...before], max: [...before] });
    }
  }

  /** The first bucket with a step from this one on. */
  #firstFrom(step: number): number {
    return firstIndex(this.#buckets.length, (i) => ((this.#buckets[i] as number) + 1) * this.#size >= step);
  }

  #halve(): void {
    const [buckets, counts, values, times] = [this.#buckets, this.#counts, this.#values, this.#times];
    [this.#buckets, this.#counts, this.#values] = [[], [], emptyValues(values.keys())];
    this.#times = times && { wall: [], elapsed: [] };
    this.#size *= 2;
    for (const [at, before] of buckets.entries()) {
      const [bucket, weight, last] = [before >> 1, counts[at] as number, this.#buckets.length - 1];
      const isNew = this.#buckets[last] !== bucket;
      setTime(this.#times, isNew ? last + 1 : last, times?.wall[at] ?? null, times?.elapsed[at] ?? 0);
      if (isNew) {
        this.#buckets.push(bucket);
        this.#counts.push(weight);
        for (const [quantity, range] of this.#values) append(range, entry(values.get(quantity) ?? NONE, at));
        continue;
      }
      const count = this.#counts[last] as number;
      for (const [quantity, range] of this.#values) {
        mix(range, last, entry(values.get(quantity) ?? NONE, at), count, weight);
      }
      this.#counts[last] = count + weight;
    }
  }
}

/** The largest power of two up to `steps`. */
function powerOfTwo(steps: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, steps)));
}

/** The least power of two of steps for each value such that at most `points` values cover the steps. */
function sizeFor(steps: number, points: number): number {
  let size = 1;
  while (steps / size > points) size *= 2;
  return size;
}

function emptyValues(quantities: Iterable<CurveQuantity>): Map<CurveQuantity, Range> {
  return new Map(Array.from(quantities, (quantity) => [quantity, { min: [], mean: [], max: [] }]));
}

function sixDigits(value: Finite): Finite {
  return value === null ? null : Number(value.toPrecision(6));
}
