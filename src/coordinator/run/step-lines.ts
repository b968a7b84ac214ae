import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import type { StepRecord } from '../train/observer.ts';

/** Of a line, what every step has and what stands where it was taken; all of it is the same for any number of workers. */
export const FIELDS_ALWAYS = ['loss', 'accuracy', 'learningRate', 'gradientNorm'] as const;
export const FIELDS_TAKEN = ['testAccuracy', 'testLoss', 'weightsSha256', 'chain'] as const;

/** A line of ours is far shorter, so a longer one is none. */
export const MAX_LINE_BYTES = 1 << 18;

const seconds = z.number().nonnegative();

const stepRecord = z.object({
  step: z.int().min(1),
  loss: z.number(),
  accuracy: z.number(),
  learningRate: z.number(),
  gradientNorm: z.number(),
  timings: z.object({
    at: z.int().positive().exactOptional(),
    total: seconds,
    phases: z.record(z.string(), seconds).exactOptional(),
  }),
  testAccuracy: z.number().exactOptional(),
  // JSON has no NaN and no infinity: a test loss that overflowed is written as null.
  testLoss: z
    .number()
    .nullable()
    .transform((loss) => loss ?? Number.NaN)
    .exactOptional(),
  weightsSha256: z.string().exactOptional(),
  chain: z.string().exactOptional(),
});

/** The line of a step, with its line feed; the keys in the order of the documentation, whatever the order in the record. */
export function stepLine(record: StepRecord): string {
  const { step, loss, accuracy, learningRate, gradientNorm } = record;
  const timings = { at: record.timings.at, total: record.timings.total, phases: record.timings.phases };
  const { testAccuracy, testLoss, weightsSha256, chain } = record;
  const required = { step, loss, accuracy, learningRate, gradientNorm, timings };
  return `${JSON.stringify({ ...required, testAccuracy, testLoss, weightsSha256, chain })}\n`;
}

/** The record of a line, whose line feed may be missing; undefined where it isn't a line of ours. */
export function parseStepLine(text: string): StepRecord | undefined {
  try {
    return stepRecord.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * The lines of a steps.jsonl in order, streamed; a last line without its line feed, half written, is left out.
 * @param onForeignLine told the number of a line that isn't ours, which is then left out; where it is undefined, such a line is an error
 * @throws RunDirectoryError where the file is missing, can't be read or has a line that isn't ours
 */
export async function* readSteps(
  path: string,
  onForeignLine?: (line: number) => void,
): AsyncGenerator<StepRecord, void, undefined> {
  let number = 0;
  let rest = '';
  try {
    for await (const text of createReadStream(path, 'utf8')) {
      const lines = `${rest}${text}`.split('\n');
      // Cut, because a torn file may hold gigabytes of zeros without a line feed.
      rest = (lines.pop() ?? '').slice(0, MAX_LINE_BYTES);
      for (const line of lines) {
        number++;
        const record = parseStepLine(line);
        if (record !== undefined) yield record;
        else if (onForeignLine !== undefined) onForeignLine(number);
        else throw notOurs(path, number, line);
      }
    }
  } catch (error) {
    throw error instanceof RunDirectoryError ? error : readFailure(path, error as Error);
  }
}

function notOurs(path: string, number: number, line: string): RunDirectoryError {
  const shown = JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line);
  return new RunDirectoryError(`${path}, line ${number}: expected a step's line of JSON, found ${shown}. Remove it.`);
}

function readFailure(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(`${path} could not be read: ${error.message}. Name the directory of a run.`, {
    cause: error,
  });
}
