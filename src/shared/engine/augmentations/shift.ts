import type { PhiloxStream } from '../../util/philox.ts';
import type { DecodedKind } from './kind.ts';

/** Shifts go this many pixels either way. */
export const MAX_SHIFT = 2;
const SHIFTS = 2 * MAX_SHIFT + 1;

/** Moved into the border of zeros that LeNet-5 has around its pictures, so that nothing of them is lost there. */
export const SHIFT: DecodedKind = {
  name: 'shift',
  help: `moved by up to ${MAX_SHIFT} pixels`,
  number: 0,
  stage: 'decode',
};

/** Writes rows down and columns right over shifts[2 * sample] and the next. @param stream at the first word of the sample's position */
export function drawShift(stream: PhiloxStream, shifts: Int8Array, sample: number): void {
  const cell = stream.below(SHIFTS * SHIFTS);
  shifts[2 * sample] = Math.floor(cell / SHIFTS) - MAX_SHIFT;
  shifts[2 * sample + 1] = (cell % SHIFTS) - MAX_SHIFT;
}
