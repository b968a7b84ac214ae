import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { openPlainFile } from '../../shared/util/plain-file.ts';
import type { StepRecord } from '../train/observer.ts';
import { COMPRESSED } from './files.ts';
import { foreignLine, MAX_LINE_BYTES, parseStepLine } from './step-lines.ts';
import { damagedPart, MAX_PART_BYTES, missingPart, openListed, type Part, partsOf } from './step-parts.ts';

export interface ReadOptions {
  /** Called with the number of a line that is no step's, and its file, if such lines are left out; undefined: they are errors. */
  readonly onForeignLine?: (line: number, file: string) => void;
  /** What a step's line is. */
  readonly parse?: typeof parseStepLine;
  /** The first part that is read (default: 1). */
  readonly fromPart?: number;
  /** The last part that is read (default: steps.jsonl too). */
  readonly toPart?: number;
  /** Lines that aren't parsed are left out (default: none). */
  readonly isWanted?: (line: string) => boolean;
}

/** Bytes that are inflated at once, in a thread of Node's pool. */
const CHUNK_BYTES = 1 << 18;

interface OpenFile {
  readonly path: string;
  readonly file: FileHandle;
  /** Undefined: it is steps.jsonl. */
  readonly part: number | undefined;
}

/**
 * The lines of a log in order, streamed: of its old parts, compressed or not, then of steps.jsonl, whose last line is half written
 * and left out if it has no line feed. A running run may rotate and compress meanwhile.
 * @param log the path of steps.jsonl, which may be missing if there are parts
 * @throws RunDirectoryError if a file is missing or damaged, can't be read, or has a line that is no step's
 */
export async function* readSteps(
  log: string,
  { fromPart = 1, toPart, ...options }: ReadOptions = {},
): AsyncGenerator<StepRecord, void, undefined> {
  for (let number = fromPart; number <= (toPart ?? number); number++) {
    const opened = await openNext(log, number);
    if (opened === undefined) return;
    try {
      yield* stepsOf(opened, options);
    } catch (error) {
      if (error instanceof RunDirectoryError) throw error;
      throw opened.part === undefined ? readFailure(log, error as Error) : damagedPart(opened.path, error as Error);
    }
    if (opened.part === toPart) return;
  }
}

/** Opens part `number`, or steps.jsonl if it is behind the last part; undefined: there is neither, but there are parts before. */
async function openNext(log: string, number: number): Promise<OpenFile | undefined> {
  let current: FileHandle | undefined;
  let failure: NodeJS.ErrnoException | undefined;
  // Opened before the parts are listed: should it become a part in between, that part is read.
  try {
    current = await openPlainFile(log, 'read');
  } catch (error) {
    failure = error as NodeJS.ErrnoException;
  }
  const parts = await partsOf(log);
  const part = parts.find((each) => each.number === number);
  if (part !== undefined) {
    await current?.close();
    return { ...(await opened(part)), part: number };
  }
  if (parts.some((each) => each.number > number)) {
    await current?.close();
    throw missingPart(log, number);
  }
  if (current !== undefined) return { path: log, file: current, part: undefined };
  if (failure?.code === 'ENOENT' && number > 1 && parts.length > 0) return undefined;
  throw readFailure(log, failure as Error);
}

async function opened(part: Part): Promise<Pick<OpenFile, 'path' | 'file'>> {
  try {
    return await openListed(part, async ({ path }) => ({ path, file: await openPlainFile(path, 'read') }));
  } catch (error) {
    throw damagedPart(part.path, error as Error);
  }
}

async function* stepsOf(
  { path, file, part }: OpenFile,
  { onForeignLine, parse = parseStepLine, isWanted = () => true }: ReadOptions,
): AsyncGenerator<StepRecord, void, undefined> {
  let number = 0;
  let rest = '';
  const foreign = (line: string): void => {
    if (onForeignLine === undefined) throw foreignLine(path, number, line);
    onForeignLine(number, basename(path));
  };
  for await (const text of path.endsWith(COMPRESSED) ? inflated(file) : file.createReadStream({ encoding: 'utf8' })) {
    const lines = `${rest}${text}`.split('\n');
    // Cut, because a damaged file may have gigabytes of zeros without a line feed.
    rest = (lines.pop() ?? '').slice(0, MAX_LINE_BYTES);
    for (const line of lines) {
      number++;
      if (!isWanted(line)) continue;
      const record = parse(line);
      if (record !== undefined) yield record;
      else foreign(line);
    }
  }
  number++;
  // A part was whole when it became one.
  if (part !== undefined && rest !== '') foreign(rest);
}

/** The text of a compressed file. In bounded memory, whatever it holds. */
async function* inflated(file: FileHandle): AsyncGenerator<string, void, undefined> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES }).setEncoding('utf8');
  // Its failures are also those of the text.
  pipeline(file.createReadStream(), gunzip, () => {});
  let length = 0;
  for await (const text of gunzip as AsyncIterable<string>) {
    length += text.length;
    if (length > MAX_PART_BYTES) throw new Error(`expected at most ${MAX_PART_BYTES} bytes of text`);
    yield text;
  }
  if (length === 0) throw new Error('unexpected end of file');
}

function readFailure(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(`${path} could not be read: ${error.message}. Name the directory of a run.`, {
    cause: error,
  });
}
