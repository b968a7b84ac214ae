import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { fileOperations } from '../../shared/util/replace-file.ts';
import type { StepRecord } from '../train/observer.ts';
import { MAX_LINE_BYTES as CHUNK_BYTES, parseStepLine } from './step-lines.ts';

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

const NEWLINE = 0x0a;

/**
 * Cuts what follows the last line of a step up to `step`: lines of later steps and garbage; all where there is no such line.
 * Gives that line's record and the byte after it, and the timestamp of the last line that was there. Reads backwards, a chunk at
 * a time, as far as that line.
 */
export async function cutAfter(
  file: LogFile,
  step: number,
): Promise<{ end: number; record?: StepRecord; at: number | undefined }> {
  // Steps that are computed again get later timestamps than they had.
  const at = (await findLast(file, Number.POSITIVE_INFINITY)).record?.timings.at;
  const found = step > 0 ? await findLast(file, step) : { end: 0 };
  await file.truncate(found.end);
  await file.sync();
  return { ...found, at };
}

/** Lines that were on the disk are gone: somebody cut or replaced the file. */
export class LogCutError extends Error {}

/**
 * Cuts what lies past `size`: what a failed write left, or somebody added.
 * @throws LogCutError where the file ends before it
 */
export async function cutPast(file: LogFile, size: number): Promise<void> {
  const found = await file.size();
  if (found < size) throw new LogCutError(`it has ${found} bytes where this run left ${size}`);
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

export function writeFailure(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(
    `${path} could not be written: ${error.message}. Check that the disk has space and that the folder can be written.`,
    { cause: error },
  );
}
