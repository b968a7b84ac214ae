import { z } from 'zod';
import { MAX_OWN_SCALARS, OWN_SCALAR_NAME } from '../../shared/live/own-scalars.ts';
import {
  EVALUATION_FIELDS,
  FIELDS_OF_SOME,
  type StepRecord,
  UPDATE_FIELDS,
  type UpdateField,
} from '../../shared/live/step-scalars.ts';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { firstNotIn, parseJson } from '../../shared/util/json.ts';

/** The fields that every step has if its model has them, and those that are only there if they were taken; none depends on the number of workers. */
export const FIELDS_ALWAYS = UPDATE_FIELDS;
export const FIELDS_TAKEN = [...EVALUATION_FIELDS, 'weightsSha256', 'chain'] as const;

/** The lines that a run writes are far shorter; a longer one is foreign. */
export const MAX_LINE_BYTES = 1 << 18;

const seconds = z.number().nonnegative();

// JSON has neither NaN nor infinity: an evaluation's loss that overflowed is null.
const evaluated = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN)
  .exactOptional();

const stepRecord = z.object({
  step: z.int().min(1),
  ...updateShape(),
  timings: z.object({
    at: z.int().positive().exactOptional(),
    total: seconds,
    phases: z.record(z.string(), seconds).exactOptional(),
  }),
  scalars: z
    .record(z.string().regex(OWN_SCALAR_NAME), z.number())
    .refine((scalars) => Object.keys(scalars).length <= MAX_OWN_SCALARS, `expected at most ${MAX_OWN_SCALARS}`)
    .exactOptional(),
  ...shapeOf(EVALUATION_FIELDS, evaluated),
  weightsSha256: z.string().exactOptional(),
  chain: z.string().exactOptional(),
});

/** Fields that some models don't have may be missing: verify knows which. */
type UpdateShape = {
  [Key in UpdateField]: Record<never, never> extends Pick<StepRecord, Key>
    ? z.ZodExactOptional<z.ZodNumber>
    : z.ZodNumber;
};

function updateShape(): UpdateShape {
  const fields = UPDATE_FIELDS.map((key) => [key, FIELDS_OF_SOME.has(key) ? z.number().exactOptional() : z.number()]);
  return Object.fromEntries(fields) as UpdateShape;
}

function shapeOf<Key extends string, Schema>(keys: readonly Key[], schema: Schema): Record<Key, Schema> {
  return Object.fromEntries(keys.map((key) => [key, schema])) as Record<Key, Schema>;
}

/** The line of a step, with its line feed; the keys in the order of the documentation, whatever the order in the record. */
export function stepLine(record: StepRecord): string {
  const { at, total, phases } = record.timings;
  const line: Record<string, unknown> = { step: record.step };
  for (const key of FIELDS_ALWAYS) line[key] = record[key];
  line.timings = { at, total, phases };
  line.scalars = record.scalars;
  for (const key of FIELDS_TAKEN) line[key] = record[key];
  return `${JSON.stringify(line)}\n`;
}

/** The record of a line, with or without its line feed; undefined: no step's line. */
export function parseStepLine(text: string): StepRecord | undefined {
  try {
    return stepRecord.safeParse(parseJson(text)).data;
  } catch {
    return undefined;
  }
}

/** As `parseStepLine`; undefined also for a line with anything that no step has. */
export function parseExactLine(text: string): StepRecord | undefined {
  const record = parseStepLine(text);
  return record !== undefined && unknownField(text, record) === undefined ? record : undefined;
}

function unknownField(text: string, record: StepRecord): string | undefined {
  const line = stepLine(record);
  return line === `${text}\n` ? undefined : firstNotIn(JSON.parse(line), JSON.parse(text));
}

export function foreignLine(path: string, number: number, line: string): RunDirectoryError {
  const shown = JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line);
  return new RunDirectoryError(
    `${path}, line ${number}: expected a step's line of JSON, found ${shown} (${problemOf(line)}). Remove it.`,
  );
}

function problemOf(line: string): string {
  try {
    const { data, error } = stepRecord.safeParse(parseJson(line));
    if (data !== undefined) return `no step has ${unknownField(line, data)}`;
    const [issue] = error.issues;
    return `${issue?.path.join('.')}: ${issue?.message}`;
  } catch (error) {
    return (error as Error).message;
  }
}
