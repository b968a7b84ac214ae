import type { ModelLayout } from '#src/shared/model/layout.js';
import { at } from './arrays.ts';

export interface TensorDifference {
  readonly name: string;
  /** Largest magnitude of `actual - expected`. */
  readonly error: number;
  /** Largest magnitude of `expected`. */
  readonly scale: number;
  /** error / scale; 0 where both are 0, NaN where a value is NaN: assert that it is <= a tolerance, not that it isn't >. */
  readonly relative: number;
}

/** Compares two flat vectors [parameters] tensor by tensor, each against its own largest expected value. */
export function compareTensors(
  layout: ModelLayout,
  actual: Float32Array | Float64Array,
  expected: Float32Array | Float64Array,
): TensorDifference[] {
  if (actual.length !== layout.parameters || expected.length !== layout.parameters) {
    throw new RangeError(`Expected ${layout.parameters} values, got ${actual.length} and ${expected.length}.`);
  }
  return layout.tensors.map(({ name, offset, size }) => {
    let error = 0;
    let scale = 0;
    for (let i = offset; i < offset + size; i++) {
      error = Math.max(error, Math.abs(at(actual, i) - at(expected, i)));
      scale = Math.max(scale, Math.abs(at(expected, i)));
    }
    return { name, error, scale, relative: error === 0 ? 0 : error / scale };
  });
}
