import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { fileOperations } from '../shared/checkpoint/replace-file.ts';
import { RunDirectoryError } from '../shared/errors.ts';
import type { StepRecord } from './observer.ts';

/** The file of steps while it is open; tests put their own in place to fail, hold or count what is done to it. */
export interface LogFile {
  /** Bytes. */
  size(): Promise<number>;
  /** Fewer bytes only where the file ends. */
  read(position: number, length: number): Promise<Buffer>;
  /** Writes all of the bytes; where it fails, some may have been written. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A line of ours is far shorter, so a longer one is none. */
const CHUNK_BYTES = 1 << 18;
const NEWLINE = 0x0a;

const seconds = z.number().nonnegative();

const stepRecord = z.object({
  step: z.int().min(1),
  loss: z.number(),
  accuracy: z.number(),
  learningRate: z.number(),
  gradientNorm: z.number(),
  timings: z.object({ total: seconds, phases: z.record(z.string(), seconds).exactOptional() }),
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
  const timings = { total: record.timings.total, phases: record.timings.phases };
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
 * @throws RunDirectoryError where the file is missing, can't be read or has a line that isn't ours
 */
export async function* readSteps(path: string): AsyncGenerator<StepRecord, void, undefined> {
  let number = 0;
  let rest = '';
  try {
    for await (const text of createReadStream(path, 'utf8')) {
      const lines = `${rest}${text}`.split('\n');
      // Cut, because a torn file may hold gigabytes of zeros without a line feed.
      rest = (lines.pop() ?? '').slice(0, CHUNK_BYTES);
      for (const line of lines) {
        number++;
        const record = parseStepLine(line);
        if (record === undefined) throw notOurs(path, number, line);
        yield record;
      }
    }
  } catch (error) {
    throw error instanceof RunDirectoryError ? error : readFailure(path, error as Error);
  }
}

/**
 * Cuts what follows the last line of a step up to `step`: lines of later steps and garbage; all where there is no such line.
 * Gives that line's record and the byte after it. Reads backwards, a chunk at a time, as far as that line.
 */
export async function cutAfter(file: LogFile, step: number): Promise<{ end: number; record?: StepRecord }> {
  const found = step > 0 ? await findLast(file, step) : { end: 0 };
  await file.truncate(found.end);
  await file.sync();
  return found;
}

/**
 * Cuts what a failed write may have left past `size`, which is the whole file otherwise, up to `reach`.
 * @throws Error where the file ends elsewhere
 */
export async function cutFailedWrite(file: LogFile, size: number, reach: number): Promise<void> {
  const found = await file.size();
  if (found < size || found > reach) {
    throw new Error(`it has ${found} bytes where this run left ${size}, so another program has changed it`);
  }
  if (found > size) await file.truncate(size);
}

async function findLast(file: LogFile, step: number): Promise<{ end: number; record?: StepRecord }> {
  for (let end = await file.size(); end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const bytes = await file.read(start, end - start);
    // The first line has its beginning in the chunk before; it is read again with it.
    const first = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
    const found = lastUpTo(bytes, first, step);
    if (found !== undefined) return { end: start + found.end, record: found.record };
    end = first < bytes.length ? start + first : start;
  }
  return { end: 0 };
}

/** Among the whole lines of a chunk from `first` on. Stops at a later step: what follows is later still. */
function lastUpTo(bytes: Buffer, first: number, step: number): { end: number; record: StepRecord } | undefined {
  let found: { end: number; record: StepRecord } | undefined;
  let begin = first;
  for (let stop = bytes.indexOf(NEWLINE, begin); stop >= 0; stop = bytes.indexOf(NEWLINE, begin)) {
    const record = parseStepLine(bytes.toString('utf8', begin, stop));
    begin = stop + 1;
    if (record === undefined) continue;
    if (record.step > step) break;
    found = { end: begin, record };
  }
  return found;
}

/** @throws the file system's error */
export async function openLogFile(path: string, flags: 'a+' | 'r+'): Promise<LogFile> {
  const file = await open(path, flags);
  return {
    size: async () => (await file.stat()).size,
    read: async (position, length) => {
      const bytes = Buffer.alloc(length);
      let done = 0;
      for (let count = -1; count !== 0 && done < length; done += count) {
        count = (await file.read(bytes, done, length - done, position + done)).bytesRead;
      }
      return bytes.subarray(0, done);
    },
    write: async (bytes, position) => {
      for (let done = 0; done < bytes.length; ) {
        done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
      }
    },
    truncate: (length) => file.truncate(length),
    sync: () => file.sync(),
    close: () => file.close(),
  };
}

/** Opens the file, made where it is missing, and brings its name to the disk. */
export async function withLogFile<T>(
  path: string,
  use: (file: LogFile) => Promise<T>,
  openFile = openLogFile,
): Promise<T> {
  const file = await openFile(path, 'a+');
  try {
    await fileOperations.syncDirectory(dirname(path));
    return await use(file);
  } finally {
    await file.close();
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

export function writeFailure(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(
    `${path} could not be written: ${error.message}. Check that the disk has space and that the folder can be written.`,
    { cause: error },
  );
}
