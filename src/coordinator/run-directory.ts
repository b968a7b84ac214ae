import { mkdir, open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { replaceFile } from '../shared/checkpoint/replace-file.ts';
import { RunDirectoryError } from '../shared/errors.ts';
import type { StepRecord } from './observer.ts';

/** Where the lines of a step log go. */
export interface LogFile {
  /** Appends all of the text. */
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

const FLUSH_MS = 1000;
const FLUSH_CHARACTERS = 1 << 16;
/** Some 25,000 steps: a disk that stalls for longer stops the log, not the run, and not by eating all memory. */
const MAX_PENDING_CHARACTERS = 1 << 23;

/** The name of a new run: it sorts by its start (UTC) and tells the seed, such as 2026-05-04T10-20-30Z-seed-1. */
export function runName(start: Date, seed: number): string {
  return `${start.toISOString().slice(0, 19).replaceAll(':', '-')}Z-seed-${seed}`;
}

/** The files of one run. One process writes them. */
export class RunDirectory {
  /** Absolute where the path that made it was. */
  readonly path: string;
  /** Where checkpoints go. */
  readonly checkpoints: string;
  readonly #steps: StepLog;

  private constructor(path: string, steps: StepLog) {
    this.path = path;
    this.checkpoints = checkpointsOf(path);
    this.#steps = steps;
  }

  /**
   * Makes a run's directory at `out`, which may be an empty folder; where it is undefined, a new one below `runs`, called
   * `name` or, where that is taken, `name-2` and so on. `onLogFailure` learns, at most once, why steps.jsonl ended early.
   * @throws RunDirectoryError where the folder holds anything or can't be written
   */
  static async create(
    out: string | undefined,
    { name, runs, onLogFailure }: { name: string; runs: string; onLogFailure: (error: RunDirectoryError) => void },
  ): Promise<RunDirectory> {
    const wanted = out ?? join(runs, name);
    try {
      const path = out === undefined ? await newFolder(runs, name) : await emptyFolder(out);
      // Fails where another run has just claimed the same empty folder.
      await mkdir(checkpointsOf(path));
      const file = join(path, 'steps.jsonl');
      return new RunDirectory(path, new StepLog(await openLog(file), file, onLogFailure));
    } catch (error) {
      throw error instanceof RunDirectoryError ? error : createFailure(wanted, error as NodeJS.ErrnoException);
    }
  }

  /** The run's name: the last part of its path. */
  get name(): string {
    return basename(this.path);
  }

  /**
   * Writes run.json, all of it or none; await one call before the next.
   * @throws RunDirectoryError where it can't be written
   */
  async writeManifest(manifest: object): Promise<void> {
    const path = join(this.path, 'run.json');
    try {
      await replaceFile(path, Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`));
    } catch (error) {
      throw writeFailure(path, error as Error);
    }
  }

  /** Adds a line to steps.jsonl within about a second. Never throws, never waits. */
  appendStep(record: StepRecord): void {
    this.#steps.append(record);
  }

  /** Resolves when every line appended so far has been given to the system, or the log has failed. */
  flush(): Promise<void> {
    return this.#steps.flush();
  }

  /** Flushes and closes steps.jsonl. Lines appended later are dropped. */
  close(): Promise<void> {
    return this.#steps.close();
  }
}

/**
 * steps.jsonl: lines in order, gathered into few writes. After a failed write the log ends there, so that the file never
 * has a gap; the run goes on.
 */
export class StepLog {
  readonly #file: LogFile;
  readonly #path: string;
  readonly #onFailure: (error: RunDirectoryError) => void;
  #pending = '';
  #ended = false;
  #written: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: LogFile, path: string, onFailure: (error: RunDirectoryError) => void) {
    this.#file = file;
    this.#path = path;
    this.#onFailure = onFailure;
  }

  append(record: StepRecord): void {
    if (this.#ended || this.#closing !== undefined) return;
    this.#pending += stepLine(record);
    if (this.#pending.length >= MAX_PENDING_CHARACTERS) this.#fail(new Error('the disk is too slow for the step log'));
    else if (this.#pending.length >= FLUSH_CHARACTERS) void this.flush();
    else this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // One write after the other: two that overlap could land in either order.
    this.#written = this.#written.then(() => this.#writePending());
    return this.#written;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.flush();
    try {
      await this.#file.close();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  async #writePending(): Promise<void> {
    const lines = this.#pending;
    if (lines === '') return;
    this.#pending = '';
    try {
      await this.#file.append(lines);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    const first = !this.#ended;
    this.#ended = true;
    this.#pending = '';
    if (first) this.#onFailure(writeFailure(this.#path, error));
  }
}

/** The keys in the order of the documentation, whatever the order in the record. */
function stepLine(record: StepRecord): string {
  const { step, loss, accuracy, learningRate, gradientNorm } = record;
  const timings = { total: record.timings.total, phases: record.timings.phases };
  const { testAccuracy, testLoss, weightsSha256, chain } = record;
  const required = { step, loss, accuracy, learningRate, gradientNorm, timings };
  return `${JSON.stringify({ ...required, testAccuracy, testLoss, weightsSha256, chain })}\n`;
}

function checkpointsOf(path: string): string {
  return join(path, 'checkpoints');
}

async function openLog(path: string): Promise<LogFile> {
  const file = await open(path, 'a');
  return { append: (text) => file.appendFile(text), close: () => file.close() };
}

async function newFolder(runs: string, name: string): Promise<string> {
  await mkdir(runs, { recursive: true });
  for (let attempt = 1; ; attempt++) {
    const path = join(runs, attempt === 1 ? name : `${name}-${attempt}`);
    try {
      await mkdir(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

async function emptyFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true });
  const [found] = await readdir(path);
  if (found !== undefined) throw notEmpty(path, found);
  return path;
}

function notEmpty(path: string, found: string): RunDirectoryError {
  return new RunDirectoryError(
    `The run directory ${path} isn't empty (it holds ${found}). Name a new folder by --out, or remove this one.`,
  );
}

function createFailure(path: string, error: NodeJS.ErrnoException): RunDirectoryError {
  if (error.code === 'EEXIST' && error.path === checkpointsOf(path)) return notEmpty(path, 'checkpoints');
  const problem =
    error.code === 'EEXIST' || error.code === 'ENOTDIR' ? 'a part of the path is a file, not a folder' : error.message;
  return new RunDirectoryError(
    `The run directory ${path} can't be made: ${problem}. Name a folder that you can write to by --out.`,
    { cause: error },
  );
}

function writeFailure(path: string, error: Error): RunDirectoryError {
  return new RunDirectoryError(
    `${path} could not be written: ${error.message}. Check that the disk has space and that the folder can be written.`,
    { cause: error },
  );
}
