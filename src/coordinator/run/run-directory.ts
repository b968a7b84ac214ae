import { createReadStream } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { stepOfCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { LockstepError, RunDirectoryError, RunLockError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { makePlainFolder } from '../../shared/util/plain-file.ts';
import { type FileOperations, fileOperations, replacedBy, replaceFile } from '../../shared/util/replace-file.ts';
import type { StepRecord } from '../train/observer.ts';
import {
  CHECKPOINTS,
  checkpointsFolder,
  MANIFEST,
  manifestFile,
  SEND_CURSOR,
  STEPS,
  stepsFile,
  TENSORBOARD,
} from './files.ts';
import { type Manifest, manifestJson } from './manifest.ts';
import { type LockOptions, lockState, RunLock } from './run-lock.ts';
import { writeFailure } from './step-file.ts';
import { StepLog, type StepLogOptions } from './step-log.ts';
import { WriteFailures } from './write-failures.ts';

/** The name of a new run: its start (UTC), so that names sort by time, and its seed, such as 2026-05-04T10-20-30Z-seed-1. */
export function runName(start: Date, seed: number): string {
  return `${start.toISOString().slice(0, 19).replaceAll(':', '-')}Z-seed-${seed}`;
}

/** How a directory's lock is taken. */
export type RunDirectoryOptions = LockOptions;

/** Files that remain if a run is killed before run.json was written. They hold no results. */
const LEFTOVER = /^(run\.lock.*|run\.json(\..*)?\.tmp|steps\.jsonl|checkpoints)$/;

/** The files of one run. The process that holds its lock writes them. */
export class RunDirectory {
  /** The directory's path, absolute if the path that it was opened by was. */
  readonly path: string;
  /** The folder of checkpoints. */
  readonly checkpoints: string;
  /** The folder of event files, which is made with the first file. */
  readonly tensorboard: string;
  /** Operations that check before each change that this process still holds the lock. @throws RunLockError if it doesn't */
  readonly files: FileOperations;
  /** Reports what of the run can't be written. */
  readonly failures: WriteFailures;
  readonly #print: Print;
  readonly #lock: RunLock;
  #steps: StepLog | undefined;

  private constructor(path: string, lock: RunLock, print: Print) {
    this.path = path;
    this.checkpoints = checkpointsFolder(path);
    this.tensorboard = join(path, TENSORBOARD);
    this.#lock = lock;
    this.#print = print;
    this.failures = new WriteFailures(print);
    this.files = {
      ...fileOperations,
      write: async (path, contents, mode) => {
        await lock.check();
        await fileOperations.write(path, contents, mode);
      },
      rename: async (from, to) => {
        await lock.check();
        await fileOperations.rename(from, to);
      },
      remove: async (path) => {
        await lock.check();
        await fileOperations.remove(path);
      },
    };
  }

  /**
   * Makes a run's directory at `out`, which may be an empty folder. If `out` is undefined, makes a new folder below `runs`, called
   * `name` or, if that exists, `name-2` and so on.
   * @throws RunDirectoryError if the folder isn't empty or can't be written, RunLockError if another process holds its lock
   */
  static async create(
    out: string | undefined,
    { name, runs, ...options }: RunDirectoryOptions & { readonly name: string; readonly runs: string },
  ): Promise<RunDirectory> {
    const wanted = out ?? join(runs, name);
    try {
      const path = out === undefined ? await newFolder(runs, name) : await emptyFolder(out);
      return await locked(path, options, async (lock) => {
        await refuseUsed(path);
        await removeTemporaryFiles(path);
        await rm(checkpointsFolder(path), { recursive: true, force: true });
        await mkdir(checkpointsFolder(path));
        const directory = new RunDirectory(path, lock, options.print);
        directory.#steps = await StepLog.create(stepsFile(path), directory.#logOptions);
        return directory;
      });
    } catch (error) {
      throw error instanceof LockstepError ? error : createFailure(wanted, error as NodeJS.ErrnoException);
    }
  }

  /**
   * Opens the directory of a run that is to be resumed; the caller must call `resume` before it appends steps.
   * @throws RunLockError if another process holds its lock, or it can't be written
   */
  static open(path: string, options: RunDirectoryOptions): Promise<RunDirectory> {
    return locked(path, options, async (lock) => new RunDirectory(path, lock, options.print));
  }

  /**
   * Sets the directory back to `step`: removes later steps from steps.jsonl, and renames later checkpoints, which can only be damaged
   * ones, to *.damaged, so that they don't count among those to keep.
   * @returns the record of that step, undefined if the log lacks it, and the latest timestamp that a step had
   * @throws RunDirectoryError if it can't be written
   */
  async resume(step: number): Promise<{ record: StepRecord | undefined; at: number | undefined }> {
    const path = stepsFile(this.path);
    try {
      await makePlainFolder(this.checkpoints);
      await removeTemporaryFiles(this.path);
      await clear(this.checkpoints, step);
      // A holder that comes back writes to the file that it has opened.
      if (this.#lock.hasLateHolder) await renewFile(path);
      const { log, last: record, at } = await StepLog.resume(path, step, this.#logOptions);
      this.#steps = log;
      return { record, at };
    } catch (error) {
      throw error instanceof LockstepError ? error : writeFailure(path, error as Error);
    }
  }

  get #logOptions(): StepLogOptions {
    const { failures } = this;
    return { onNotice: (line) => this.#print(line, 'warn'), failures, mayWrite: () => this.checkLock() };
  }

  /** The run's name: the last part of its path. */
  get name(): string {
    return basename(this.path);
  }

  /**
   * Replaces run.json atomically. The caller must await one call before the next.
   * @throws RunDirectoryError if it can't be written, RunLockError if another process owns the directory
   */
  async writeManifest(manifest: Manifest): Promise<void> {
    const path = manifestFile(this.path);
    try {
      const json = JSON.stringify(manifestJson(manifest), undefined, 2);
      await replaceFile(path, Buffer.from(`${json}\n`), { files: this.files });
    } catch (error) {
      throw error instanceof LockstepError ? error : writeFailure(path, error as Error);
    }
  }

  /** Adds a line to steps.jsonl within about a second. Never throws, never waits. */
  appendStep(record: StepRecord): void {
    this.#steps?.append(record);
  }

  /** Resolves when every line appended so far is on the disk. @throws RunDirectoryError if that failed */
  async syncSteps(): Promise<void> {
    await this.#steps?.sync();
  }

  /** @throws RunLockError if another process owns the directory */
  checkLock(): Promise<void> {
    return this.#lock.check();
  }

  /** Flushes and closes steps.jsonl, and releases the lock. Lines appended later are dropped. */
  async close(): Promise<void> {
    await this.#steps?.close();
    // A failure is printed, not thrown, because it would replace an earlier error from writing to the directory.
    await this.#lock
      .release()
      .catch((error: Error) => this.#print(`The lock was not released: ${error.message}`, 'warn'));
  }
}

/** Puts a copy in a file's place, if there is one. */
async function renewFile(path: string): Promise<void> {
  const isThere = await lstat(path).catch(() => undefined);
  if (isThere?.isFile()) await replaceFile(path, createReadStream(path));
}

/** Removes what a killed process left half-written of the run's own files. Another program may be replacing others, such as a report. */
async function removeTemporaryFiles(run: string): Promise<void> {
  for (const name of await readdir(run)) {
    if ([MANIFEST, SEND_CURSOR, STEPS].includes(replacedBy(name) ?? '')) await rm(join(run, name), { force: true });
  }
}

/** Removes half-written checkpoints, and renames those after `step`. */
async function clear(checkpoints: string, step: number): Promise<void> {
  for (const name of await readdir(checkpoints)) {
    const file = join(checkpoints, name);
    if (name.endsWith('.tmp')) await rm(file, { force: true });
    else if ((stepOfCheckpoint(name) ?? 0) > step) await rename(file, `${file}.damaged`);
  }
}

/** Calls `use` while holding the folder's lock, which is kept if that succeeds and released if it fails. */
async function locked<T>(path: string, options: RunDirectoryOptions, use: (lock: RunLock) => Promise<T>): Promise<T> {
  const lock = await RunLock.acquire(path, options);
  try {
    return await use(lock);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Makes a folder and those above it, unless it is there. @throws the file system's error */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    // Node says so of any failure that it doesn't know, such as EROFS, since the folder isn't there then. One by one they fail by themselves.
    await makeFolder(dirname(path));
    await mkdir(path);
  });
}

async function newFolder(runs: string, name: string): Promise<string> {
  await makeFolder(runs);
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
  await makeFolder(path);
  // Checked before the lock file is made, so that a folder that is refused isn't changed.
  await refuseHeld(path);
  await refuseUsed(path);
  return path;
}

/** @throws RunLockError if a process of this machine writes a run there */
async function refuseHeld(path: string): Promise<void> {
  const { state, owner } = await lockState(path);
  if (state !== 'held') return;
  throw new RunLockError(
    `Process ${owner?.pid} writes a run in ${path}. Name another folder by --out, or wait until it has ended: --resume ${path} continues it.`,
    { isTemporary: true },
  );
}

/** @throws RunDirectoryError if a folder holds more than the leftovers of a run that never began */
async function refuseUsed(path: string): Promise<void> {
  const found = await readdir(path);
  const used = found.find((name) => !LEFTOVER.test(name));
  if (used !== undefined) throw notEmpty(path, used);
  for (const name of found.includes(CHECKPOINTS) ? await readdir(checkpointsFolder(path)) : []) {
    if (stepOfCheckpoint(name) !== 0 && !name.endsWith('.tmp')) throw notEmpty(path, join(CHECKPOINTS, name));
  }
  const steps = await stat(stepsFile(path)).catch(() => undefined);
  if (steps !== undefined && steps.size > 0) throw notEmpty(path, STEPS);
}

function notEmpty(path: string, found: string): RunDirectoryError {
  return new RunDirectoryError(
    `The run directory ${path} isn't empty (it holds ${found}). Name a new folder by --out, or remove this one.`,
  );
}

function createFailure(path: string, error: NodeJS.ErrnoException): RunDirectoryError {
  const problem =
    error.code === 'EEXIST' || error.code === 'ENOTDIR' ? 'a part of the path is a file, not a folder' : error.message;
  return new RunDirectoryError(
    `The run directory ${path} can't be made: ${problem}. Name a folder that you can write to by --out.`,
    { cause: error },
  );
}
