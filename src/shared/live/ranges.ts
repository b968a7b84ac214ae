/** A number as JSON can hold it; null: it isn't finite, or there is none. */
export type Finite = number | null;

/** Minimum, mean and maximum of a quantity, one entry for each bucket; null where the value of a step isn't finite. */
export interface Range {
  readonly min: Finite[];
  readonly mean: Finite[];
  readonly max: Finite[];
}

/** Of a quantity that a run's steps don't have. */
export const NONE: Range = { min: [], mean: [], max: [] };

export interface Value {
  readonly min: Finite;
  readonly mean: Finite;
  readonly max: Finite;
}

export const of = (value: Finite): Value => ({ min: value, mean: value, max: value });

export const entry = ({ min, mean, max }: Range, at: number): Value => ({
  min: min[at] ?? null,
  mean: mean[at] ?? null,
  max: max[at] ?? null,
});

export function append({ min, mean, max }: Range, value: Value): void {
  min.push(value.min);
  mean.push(value.mean);
  max.push(value.max);
}

/** Merges a value of `weight` steps into entry `at`, which has `count`. */
export function mix({ min, mean, max }: Range, at: number, value: Value, count: number, weight: number): void {
  min[at] = ofBoth(min[at], value.min, Math.min);
  max[at] = ofBoth(max[at], value.max, Math.max);
  // Weighed before they are added: their sum may be above the largest number.
  const share = weight / (count + weight);
  mean[at] = ofBoth(mean[at], value.mean, (here, there) => here * (1 - share) + there * share);
}

function ofBoth(here: Finite | undefined, there: Finite, join: (here: number, there: number) => number): Finite {
  return typeof here === 'number' && there !== null ? join(here, there) : null;
}
