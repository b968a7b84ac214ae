// The old parts of a log: steps.00000001.jsonl, compressed steps.00000001.jsonl.gz, and so on, before steps.jsonl.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { openPlainFile, readPlainFile } from '../../shared/util/plain-file.ts';
import { type FileOperations, replaceFile } from '../../shared/util/replace-file.ts';
import type { StepRecord } from '../train/observer.ts';
import { COMPRESSED, partFile, partNumber } from './files.ts';
import { findLast, openLogFile, type ReadableLog } from './step-file.ts';
import { MAX_LINE_BYTES, parseStepLine } from './step-lines.ts';

/** Bytes of steps.jsonl at which it becomes an old part. Tests make it smaller. */
export const PART_SIZE = { bytes: 1 << 26 };
/** The most that a compressed part holds: one of ours, and all lines that waited for a disk. Longer ones aren't compressed. */
export const MAX_PART_BYTES = 1 << 28;

export interface Part {
  readonly number: number;
  readonly path: string;
  readonly isCompressed: boolean;
}

/** The old parts of a log, the oldest first. After a crash one may be there twice: then the plain file is taken. */
export async function partsOf(log: string): Promise<Part[]> {
  const parts = new Map<number, Part>();
  for (const name of (await readdir(dirname(log)).catch(nothing)).sort()) {
    const number = partNumber(name);
    // The plain file comes first.
    if (number === undefined || parts.has(number)) continue;
    parts.set(number, { number, path: join(dirname(log), name), isCompressed: name.endsWith(COMPRESSED) });
  }
  return [...parts.values()].sort((a, b) => a.number - b.number);
}

function nothing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
  throw error;
}

/** The contents of a compressed part. @throws RunDirectoryError if it is damaged or too long */
async function inflate(path: string): Promise<Buffer> {
  try {
    return await promisify(gunzip)(await readPlainFile(path, MAX_PART_BYTES), { maxOutputLength: MAX_PART_BYTES });
  } catch (error) {
    throw damagedPart(path, error as Error);
  }
}

export function damagedPart(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(
    `${path} could not be read: ${error.message}. Restore it from a backup, or remove the run.`,
    { cause: error },
  );
}

/** Opens a file of a log that was listed. A running run may since have made steps.jsonl a part, or compressed it. */
export async function openListed<T>(listed: Part, open: (part: Part) => Promise<T>): Promise<T> {
  const { path, number } = listed;
  const plain = partFile(path, number);
  let missing: unknown;
  for (const name of new Set([path, plain, `${plain}${COMPRESSED}`])) {
    try {
      return await open({ number, path: name, isCompressed: name.endsWith(COMPRESSED) });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      missing ??= error;
    }
  }
  throw missing;
}

/** Opens a part to search it. A compressed one is then in memory. @throws RunDirectoryError if it is damaged or too long */
export async function openPart({ path, isCompressed }: Part): Promise<ReadableLog> {
  if (!isCompressed) return openLogFile(path, 'read');
  const bytes = await inflate(path);
  return {
    size: async () => bytes.length,
    read: async (position, length) => bytes.subarray(position, position + length),
    close: async () => {},
  };
}

/** The files of a log, the newest first: steps.jsonl, if it is there, then the old parts. */
export async function newestFirst(log: string): Promise<Part[]> {
  const parts = await partsOf(log);
  const isThere = await stat(log).catch(unlessMissing);
  const current = { number: (parts.at(-1)?.number ?? 0) + 1, path: log, isCompressed: false };
  return [...(isThere === undefined ? [] : [current]), ...parts.reverse()];
}

/** Undefined for a file that isn't there. @throws any other error */
export function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** The step of a file's first line; undefined: it has none. */
async function firstStepOf(listed: Part): Promise<number | undefined> {
  const opened = await openListed(listed, async (part) => ({ ...part, file: await openPlainFile(part.path, 'read') }));
  const { path, isCompressed, file } = opened;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_LINE_BYTES), 0, MAX_LINE_BYTES, 0);
    const head = buffer.subarray(0, bytesRead);
    // Of the beginning of compressed bytes, the beginning is inflated.
    const part = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_PART_BYTES };
    const text = String(isCompressed ? await promisify(gunzip)(head, part) : head);
    return parseStepLine(text.slice(0, text.indexOf('\n') + 1))?.step;
  } catch (error) {
    throw damagedPart(path, error as Error);
  } finally {
    await file.close();
  }
}

async function withPart<T>(part: Part, use: (file: ReadableLog) => Promise<T>): Promise<T> {
  const file = await openListed(part, openPart);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** The records of some steps; undefined for a step that the log lacks. */
export async function recordsAt(log: string, steps: readonly number[]): Promise<(StepRecord | undefined)[]> {
  const records = new Map<number, StepRecord | undefined>();
  for (const part of await newestFirst(log)) {
    const first = (await firstStepOf(part)) ?? 1;
    const here = steps.filter((step) => step >= first && !records.has(step));
    if (here.length > 0) {
      await withPart(part, async (file) => {
        for (const step of here) records.set(step, (await findLast(file, step)).record);
      });
    }
    if (steps.every((step) => step < 1 || records.has(step))) break;
  }
  return steps.map((step) => (records.get(step)?.step === step ? records.get(step) : undefined));
}

/**
 * Makes the part with the line of `step`, or with the last one before it, steps.jsonl again, and removes all behind it, unless
 * steps.jsonl has that line. A kill at any moment leaves a log without the lines that were removed so far, and with all others.
 * @returns the timestamp of the last line that the log had; undefined if steps.jsonl is as it was
 */
export async function reopenPart(log: string, step: number, files: FileOperations): Promise<number | undefined> {
  let at: number | undefined;
  for (;;) {
    const [newest, before] = await newestFirst(log);
    const isCurrent = newest?.path === log;
    if (newest === undefined || (isCurrent && before === undefined)) return at;
    const first = await firstStepOf(newest);
    const found = await withPart(newest, async (file) => ({
      last: (await findLast(file, Number.POSITIVE_INFINITY)).record,
      isHere: isCurrent && (first ?? 0) <= step && (await findLast(file, step)).record !== undefined,
    }));
    if (found.isHere) return at;
    at ??= found.last?.timings.at;
    if (isCurrent) await files.remove(log);
    else if ((first ?? 0) > step) await removePart(log, newest, files);
    else await makeCurrent(log, newest, files);
    await files.syncDirectory(dirname(log));
  }
}

async function removePart(log: string, { number }: Part, files: FileOperations): Promise<void> {
  const plain = partFile(log, number);
  await files.remove(`${plain}${COMPRESSED}`);
  await files.remove(plain);
}

async function makeCurrent(log: string, part: Part, files: FileOperations): Promise<void> {
  const plain = partFile(log, part.number);
  if (part.isCompressed) await replaceFile(plain, await inflate(part.path), { files });
  await files.remove(`${plain}${COMPRESSED}`);
  await files.rename(plain, log);
}

/**
 * The end of a long log: the number of the first part to read so that at most `bytes` bytes are read, but steps.jsonl in any case,
 * and how many bytes that are.
 */
export async function endWithin(
  log: string,
  bytes: number,
): Promise<{ readonly part: number; readonly bytes: number }> {
  const [current, ...parts] = await newestFirst(log);
  let end = { part: current?.number ?? 1, bytes: current === undefined ? 0 : await sizeOf(current) };
  for (const part of parts) {
    const reach = end.bytes + (await sizeOf(part));
    if (reach > bytes) break;
    end = { part: part.number, bytes: reach };
  }
  return end;
}

/** The number of the part with the line of `step` or, without one, with the last before it. */
export async function partWith(log: string, step: number): Promise<number> {
  let number = 1;
  for (const part of await newestFirst(log)) {
    number = part.number;
    if (((await firstStepOf(part)) ?? step + 1) <= step) break;
  }
  return number;
}

/** Bytes that a part has, or had before it was compressed. */
function sizeOf(listed: Part): Promise<number> {
  return openListed(listed, async ({ path, isCompressed }) =>
    isCompressed ? PART_SIZE.bytes : (await stat(path)).size,
  );
}

/** What a log's reader says of a part that isn't there. */
export function missingPart(log: string, number: number): RunDirectoryError {
  const name = basename(partFile(log, number));
  return new RunDirectoryError(
    `${dirname(log)}: expected the file ${name} or ${name}${COMPRESSED}, since later parts of the log are there, but found neither. ` +
      'Restore it from a backup.',
  );
}
