import { dirname } from 'node:path';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { openPlainFile } from '../../shared/util/plain-file.ts';
import { fileOperations } from '../../shared/util/replace-file.ts';
import type { StepRecord } from '../train/observer.ts';
import { MAX_LINE_BYTES as CHUNK_BYTES, parseStepLine } from './step-lines.ts';

/** The open file of steps. Tests replace it to make operations fail or wait, or to count them. */
export interface LogFile {
  /** The file's size in bytes. */
  size(): Promise<number>;
  /** Reads `length` bytes, or fewer if the file ends before. */
  read(position: number, length: number): Promise<Buffer>;
  /** Writes all of the bytes. If it fails, some may have been written. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What is read of a file of steps. */
export type ReadableLog = Pick<LogFile, 'size' | 'read' | 'close'>;

/** A record among the bytes of a file, and where its line begins and ends. */
export interface FoundLine {
  readonly begin: number;
  readonly end: number;
  readonly record?: StepRecord;
}

const NOWHERE: FoundLine = { begin: 0, end: 0 };
const NEWLINE = 0x0a;

/**
 * Truncates the file after the line of `step`, or of the last step before it: later steps and garbage are removed; without such a line,
 * everything is. Reads backwards in chunks, only as far as that line.
 * @returns that line, and the timestamp of the last line that the file had
 */
export async function cutAfter(
  file: LogFile,
  step: number,
): Promise<{ readonly found: FoundLine; readonly at: number | undefined }> {
  // The last timestamp is needed because steps that are computed again get later timestamps than before.
  const at = (await findLast(file, Number.POSITIVE_INFINITY)).record?.timings.at;
  const found = step > 0 ? await findLast(file, step) : NOWHERE;
  await file.truncate(found.end);
  await file.sync();
  return { found, at };
}

/** Lines that were on the disk are missing, because another program truncated or replaced the file. */
export class LogCutError extends Error {}

/**
 * Truncates the file to `size` bytes: the rest is from a failed write, or from another program.
 * @throws LogCutError if the file is shorter
 */
export async function cutPast(file: LogFile, size: number): Promise<void> {
  const found = await file.size();
  if (found < size) throw new LogCutError(`it has ${found} bytes, but this run wrote ${size}`);
  if (found > size) await file.truncate(size);
}

/** The last record up to `step`. Reads backwards in chunks, only as far as that. */
export async function findLast(file: ReadableLog, step: number): Promise<FoundLine> {
  for (let end = await file.size(); end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const bytes = await file.read(start, end - start);
    // The first line begins in the chunk before, and is read again with that.
    const first = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
    const found = lastUpTo(bytes, first, step);
    if (found !== undefined) return { ...found, begin: start + found.begin, end: start + found.end };
    end = first < bytes.length ? start + first : start;
  }
  return NOWHERE;
}

/** The last record up to `step` among the complete lines of a chunk from offset `first` on. Steps ascend. */
function lastUpTo(bytes: Buffer, first: number, step: number): FoundLine | undefined {
  let found: FoundLine | undefined;
  let next = first;
  for (let stop = bytes.indexOf(NEWLINE, next); stop >= 0; stop = bytes.indexOf(NEWLINE, next)) {
    const begin = next;
    const record = parseStepLine(bytes.toString('utf8', begin, stop));
    next = stop + 1;
    if (record === undefined) continue;
    if (record.step > step) break;
    found = { begin, end: next, record };
  }
  return found;
}

/**
 * Opens the file for reading and, unless `way` is `read`, for writing; with `make`, a missing one is made.
 * @throws the file system's error, or one that says that the path is a link or no plain file
 */
export async function openLogFile(path: string, way: 'make' | 'update' | 'read'): Promise<LogFile> {
  const file = await openPlainFile(path, way);
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

/** Opens the file, which is made if it is missing, syncs its folder so that its name is on the disk, and closes it after `use`. */
export async function withLogFile<T>(
  path: string,
  use: (file: LogFile) => Promise<T>,
  openFile = openLogFile,
): Promise<T> {
  const file = await openFile(path, 'make');
  try {
    await fileOperations.syncDirectory(dirname(path));
    return await use(file);
  } finally {
    await file.close();
  }
}

export function writeFailure(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(
    `${path} could not be written: ${error.message}. Check that the disk has space and that the folder can be written.`,
    { cause: error },
  );
}
