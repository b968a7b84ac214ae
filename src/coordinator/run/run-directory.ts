import { createReadStream } from 'node:fs';
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { stepOfCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { LockstepError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { makePlainFolder } from '../../shared/util/plain-file.ts';
import { type FileOperations, fileOperations, replacedBy, replaceFile } from '../../shared/util/replace-file.ts';
import type { StepRecord } from '../train/observer.ts';
import {
  checkpointsFolder,
  MANIFEST,
  manifestFile,
  NODES,
  partNumber,
  SEND_CURSOR,
  STEPS,
  stepsFile,
  TENSORBOARD,
} from './files.ts';
import type { LoggedSteps } from './logged-steps.ts';
import { type Manifest, manifestJson } from './manifest.ts';
import { createFailure, emptyFolder, newFolder, refuseUsed } from './new-directory.ts';
import { PartCompressor } from './part-compressor.ts';
import { type LockOptions, RunLock } from './run-lock.ts';
import { writeFailure } from './step-file.ts';
import { StepLog, type StepLogOptions } from './step-log.ts';
import { WriteFailures } from './write-failures.ts';

/** The name of a new run: its start (UTC), so that names sort by time, and its seed, such as 2026-05-04T10-20-30Z-seed-1. */
export function runName(start: Date, seed: number): string {
  return `${start.toISOString().slice(0, 19).replaceAll(':', '-')}Z-seed-${seed}`;
}

/** How a directory's lock is taken. */
export type RunDirectoryOptions = LockOptions;

/** How a new run's directory is made. */
export interface NewRunOptions extends RunDirectoryOptions {
  readonly name: string;
  readonly runs: string;
  readonly logEvery?: number;
}

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
  readonly #compressor: PartCompressor;
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
    this.#compressor = new PartCompressor({ log: stepsFile(path), files: this.files, failures: this.failures });
  }

  /**
   * Makes a run's directory at `out`, which may be an empty folder. If `out` is undefined, makes a new folder below `runs`, called
   * `name` or, if that exists, `name-2` and so on.
   * @param logEvery steps between lines of the log (default: 1)
   * @throws RunDirectoryError if the folder isn't empty or can't be written, RunLockError if another process holds its lock
   */
  static async create(
    out: string | undefined,
    { name, runs, logEvery = 1, ...options }: NewRunOptions,
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
        directory.#steps = await StepLog.create(stepsFile(path), directory.#logOptions(logEvery));
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
   * @param logEvery steps between lines of the log from then on (default: 1)
   * @param logged the steps that have lines so far (default: all)
   * @returns the record of that step, undefined if the log lacks it, and the latest timestamp that a step had
   * @throws RunDirectoryError if it can't be written
   */
  async resume(
    step: number,
    { logEvery = 1, logged }: { readonly logEvery?: number; readonly logged?: LoggedSteps } = {},
  ): Promise<{ record: StepRecord | undefined; at: number | undefined }> {
    const path = stepsFile(this.path);
    try {
      await makePlainFolder(this.checkpoints);
      await removeTemporaryFiles(this.path);
      await clear(this.checkpoints, step);
      // A holder that comes back writes to the file that it has opened.
      if (this.#lock.hasLateHolder) await renewFile(path);
      const resumed = { ...this.#logOptions(logEvery), ...(logged && { logged }) };
      const { log, last: record, at } = await StepLog.resume(path, step, resumed);
      this.#steps = log;
      this.#compressor.start();
      return { record, at };
    } catch (error) {
      throw error instanceof LockstepError ? error : writeFailure(path, error as Error);
    }
  }

  #logOptions(every: number): StepLogOptions {
    const { failures, files } = this;
    const onPart = (): void => this.#compressor.start();
    return {
      onNotice: (line) => this.#print(line, 'warn'),
      failures,
      mayWrite: () => this.checkLock(),
      files,
      every,
      onPart,
    };
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

  /** Writes the lines that are left, that of the last step too, and leaves the log as it is then. Steps appended later are dropped. */
  async endSteps(): Promise<void> {
    await this.#steps?.close();
    await this.#compressor.close();
  }

  /** @throws RunLockError if another process owns the directory */
  checkLock(): Promise<void> {
    return this.#lock.check();
  }

  /** Flushes and closes steps.jsonl, and releases the lock. Lines appended later are dropped. */
  async close(): Promise<void> {
    await this.endSteps();
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
    const replaced = replacedBy(name) ?? '';
    const isOwn = [MANIFEST, NODES, SEND_CURSOR, STEPS].includes(replaced) || partNumber(replaced) !== undefined;
    if (isOwn) await rm(join(run, name), { force: true });
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
