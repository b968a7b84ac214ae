import { z } from 'zod';
import type { Schedule, SchedulePoint } from '../engine/schedule-table.ts';
import { optionNotes } from './option-notes.ts';

const NAMES = ['cosine', 'constant'] as const;
/** More than a course that somebody draws by hand has; it bounds what nodes are told. */
export const MAX_SCHEDULE_POINTS = 1000;
const Step = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
// The largest rate times it is still far within float32.
const Factor = z.number().min(0).max(1e6);

const isName = (value: unknown): value is (typeof NAMES)[number] => NAMES.some((name) => name === value);

/** A name, or a table as a text or an array; its output is the name or the array. */
export const SCHEDULE_OPTION = z
  .union([z.enum(NAMES), z.string(), z.array(z.tuple([z.number(), z.number()]).readonly()).readonly()])
  .transform((value, context): Schedule => {
    if (isName(value)) return value;
    const points = typeof value === 'string' ? value.split(',').map(pointOf) : value;
    const problem = problemOf(points);
    // Without the sign of -0, which a text wouldn't keep.
    if (problem === undefined) return points.map(([step, factor]) => [Math.abs(step), Math.abs(factor)]);
    context.addIssue({ code: 'custom', message: problem });
    return z.NEVER;
  })
  .default('cosine')
  .register(optionNotes, {
    group: 'optimisation',
    help: 'learning rate after the warm-up: decreases to 0 along a cosine, or stays constant; or a table for the whole run, such as 0:0.1,1000:1,8000:0.1: from a step on so many times the learning rate, linear in between',
    value: 'cosine|constant|table',
    expected: `cosine, constant or at most ${MAX_SCHEDULE_POINTS} points STEP:FACTOR, separated by commas, with ascending steps`,
    bits: true,
  });

/** A schedule as it is typed. */
export function scheduleText(schedule: Schedule): string {
  return typeof schedule === 'string' ? schedule : schedule.map((point) => point.join(':')).join();
}

/** NaN for what isn't a number. */
function pointOf(text: string): SchedulePoint {
  const [step, factor] = text.split(':').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  const isPair = text.split(':').length === 2;
  return isPair ? [step as number, factor as number] : [Number.NaN, Number.NaN];
}

/** What is wrong with a table; undefined if nothing is. */
function problemOf(points: readonly SchedulePoint[]): string | undefined {
  if (points.length === 0 || points.length > MAX_SCHEDULE_POINTS) return `has ${points.length} points`;
  const at = points.findIndex(([step, factor], i) => {
    const before = points[i - 1]?.[0] ?? -1;
    return !Step.safeParse(step).success || !Factor.safeParse(factor).success || step <= before;
  });
  if (at === -1) return undefined;
  const [step, factor] = points[at] as SchedulePoint;
  if (!Step.safeParse(step).success) return `has no whole number of steps in point ${at + 1}`;
  if (!Factor.safeParse(factor).success) return `has no factor from 0 to 1,000,000 at step ${step}`;
  return `has step ${step} after step ${points[at - 1]?.[0]}`;
}
