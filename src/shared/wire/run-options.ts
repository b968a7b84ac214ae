import { z } from 'zod';
import { MAX_SCHEDULE_POINTS } from '../config/schedule-option.ts';

const MAX_OPTIONS = 64;
/** Characters in an option's value. */
const MAX_CHARACTERS = 1000;

const Value = z.union([
  z.string().max(MAX_CHARACTERS),
  z.number(),
  z.boolean(),
  z.null(),
  z.array(z.array(z.number()).length(2).readonly()).max(MAX_SCHEDULE_POINTS).readonly(),
]);

/** The options of a run that decide what a node computes, as messages have them: scalars, and the points of a schedule. */
export const RunOptions = z
  .record(z.string().max(64), Value)
  .refine((config) => Object.keys(config).length <= MAX_OPTIONS, `expected at most ${MAX_OPTIONS} options`)
  .readonly();
