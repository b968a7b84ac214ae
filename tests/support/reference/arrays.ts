/** `values[index]`; outside of the array an error, where a bare typed array would give undefined and NaN. */
export function at<T>(values: ArrayLike<T>, index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError(`Index ${index} is outside of 0 to ${values.length - 1}.`);
  return value;
}

/** Adds to `target[index]`, which must exist. */
export function addAt(target: Float64Array, index: number, value: number): void {
  target[index] = at(target, index) + value;
}

/** The first index of the largest value. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (at(values, i) > at(values, best)) best = i;
  return best;
}
