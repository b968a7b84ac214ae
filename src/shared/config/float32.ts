import type { z } from 'zod';

/** A number that the kernel takes as a 32-bit float: only 0 may become 0. */
export function float32(range: z.ZodNumber): z.ZodNumber {
  const message = 'is 0 as a 32-bit float, in which it is computed with';
  return range.refine((value) => value === 0 || Math.fround(value) !== 0, { message });
}
