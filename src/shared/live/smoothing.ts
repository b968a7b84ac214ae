import type { Finite } from './series.ts';

/**
 * The exponential moving average of values, as TensorBoard takes it: divided by the sum of the weights so far, so that it doesn't begin
 * at zero (Kingma and Ba 2014, section 3).
 * @param weight of the average so far, 0 (the values themselves) up to 1
 */
export function smooth(values: readonly Finite[], weight: number): Finite[] {
  let [average, remainder] = [0, 1];
  return values.map((value) => {
    // A value that isn't finite is a gap, and changes no other.
    if (value === null) return null;
    average = average * weight + value * (1 - weight);
    remainder *= weight;
    return average / (1 - remainder);
  });
}
