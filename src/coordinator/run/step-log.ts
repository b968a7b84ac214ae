import { basename } from 'node:path';
import { RunLockError } from '../../shared/util/errors.ts';
import type { StepRecord } from '../train/observer.ts';
import { cutAfter, cutPast, LogCutError, openLogFile, withLogFile, writeFailure } from './step-file.ts';
import { parseStepLine, stepLine } from './step-lines.ts';

export interface StepLogOptions {
  /** Takes a sentence for the person who watches the run. */
  readonly onNotice: (message: string) => void;
  readonly openFile?: typeof openLogFile;
  /** Asked before each write. @throws RunLockError where another process owns the run directory: the log ends then */
  readonly mayWrite?: () => Promise<void>;
}

const FLUSH_MS = 1000;
const FLUSH_CHARACTERS = 1 << 16;
/** Between two attempts on a disk that fails. */
const RETRY_MS = 5000;
/** Lines are kept until they are on the disk, and this many are brought there without being asked. */
const SYNC_CHARACTERS = 1 << 20;
/** Some 200,000 steps: a disk that fails for longer stops the log, not the run, and not by eating all memory. */
const MAX_PENDING_CHARACTERS = 1 << 26;

/**
 * steps.jsonl: lines in order, gathered into few writes. A write that fails is tried again until it works, so the file
 * never has a gap and loses no line, unless the disk fails for longer than MAX_PENDING_CHARACTERS last. One process writes.
 */
export class StepLog {
  readonly #path: string;
  readonly #onNotice: (message: string) => void;
  readonly #openFile: typeof openLogFile;
  readonly #mayWrite: () => Promise<void>;
  /** Those that aren't known to be on the disk; the system was given the first `#given` characters. */
  #lines = '';
  #given = 0;
  /** Bytes of the file that are on the disk, that the system was given, and how far a failed write may have come. */
  #synced: number;
  #size: number;
  /** The failure that was told, while writing hasn't worked since. */
  #trouble: Error | undefined;
  #ended = false;
  #queued = 0;
  #lastAttempt: Promise<Error | undefined> = Promise.resolve(undefined);
  #closing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, size: number, options: StepLogOptions) {
    const { onNotice, openFile = openLogFile, mayWrite = async () => {} } = options;
    this.#path = path;
    this.#mayWrite = mayWrite;
    this.#onNotice = onNotice;
    this.#openFile = openFile;
    this.#synced = this.#size = size;
  }

  /**
   * Makes a new, empty file.
   * @throws the file system's error; EEXIST where there is a file that isn't empty
   */
  static async create(path: string, options: StepLogOptions): Promise<StepLog> {
    const size = await withLogFile(path, (file) => file.size(), options.openFile);
    if (size > 0) throw Object.assign(new Error(`EEXIST: ${path} isn't empty`), { code: 'EEXIST', path });
    return new StepLog(path, 0, options);
  }

  /**
   * Goes on after `step` updates: cuts the lines past it and what a crash left at the end, and gives the record of `step`,
   * undefined where the file lacks it, and the latest timestamp that a step had. Where the file is missing, it is made anew.
   * @throws RunDirectoryError where the file can't be read or written
   */
  static async resume(
    path: string,
    step: number,
    options: StepLogOptions,
  ): Promise<{ log: StepLog; last: StepRecord | undefined; at: number | undefined }> {
    try {
      const { end, record, at } = await withLogFile(path, (file) => cutAfter(file, step), options.openFile);
      const log = new StepLog(path, end, options);
      const from = (record?.step ?? 0) + 1;
      if (from <= step)
        log.#tell(`lacks ${from < step ? `the steps ${from} to ${step}` : `step ${step}`}; training goes on`);
      return { log, last: from > step ? record : undefined, at };
    } catch (error) {
      throw writeFailure(path, error as Error);
    }
  }

  /** Adds a line within about a second. Never throws, never waits. */
  append(record: StepRecord): void {
    if (this.#ended || this.#closing !== undefined) return;
    this.#lines += stepLine(record);
    const isMuch = this.#lines.length - this.#given >= FLUSH_CHARACTERS;
    if (this.#lines.length > MAX_PENDING_CHARACTERS) this.#end(this.#trouble?.message ?? 'the disk is too slow');
    else if (isMuch && this.#queued === 0 && this.#trouble === undefined) void this.flush();
    else this.#flushAfter(FLUSH_MS);
  }

  /** Resolves when every line appended so far was given to the system, or the attempt failed. */
  async flush(): Promise<void> {
    await this.#attempt(false);
  }

  /**
   * Resolves when every line appended so far is on the disk, or the log has ended for good, as onNotice was told:
   * checkpoints must go on without it.
   * @throws RunDirectoryError where the lines aren't on the disk; they are kept, and tried again
   */
  async sync(): Promise<void> {
    if (this.#ended) return;
    const failure = await this.#attempt(true);
    if (failure !== undefined && !this.#ended) throw writeFailure(this.#path, failure);
  }

  /** Brings all lines to the disk, or tells by onNotice which are lost. Lines appended later are dropped. */
  close(): Promise<void> {
    this.#closing ??= this.#attempt(true).then((failure) => {
      if (failure !== undefined) this.#end(failure.message);
    });
    return this.#closing;
  }

  #flushAfter(milliseconds: number): void {
    this.#timer ??= setTimeout(() => void this.flush(), milliseconds).unref();
  }

  /** One after the other: two writes that overlap could land in either order. */
  #attempt(sync: boolean): Promise<Error | undefined> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queued++;
    this.#lastAttempt = this.#lastAttempt.then(async () => {
      const failure = await this.#writePending(sync).catch((error: Error) => error);
      this.#queued--;
      this.#settle(failure);
      return failure;
    });
    return this.#lastAttempt;
  }

  async #writePending(sync: boolean): Promise<undefined> {
    const end = this.#lines.length;
    const durable = sync || this.#trouble !== undefined || end >= SYNC_CHARACTERS;
    if (this.#given === end && !(durable && end > 0)) return;
    const bytes = Buffer.from(this.#lines.slice(this.#given));
    const reach = this.#size + bytes.length;
    await this.#mayWrite();
    const file = await this.#openFile(this.#path, 'r+');
    try {
      await cutPast(file, this.#size);
      await file.write(bytes, this.#size);
      if (durable) {
        // Where it fails, the system forgets what it was given, and the next sync succeeds without: write it all again.
        this.#size = this.#synced;
        this.#given = 0;
        await file.sync();
      }
    } finally {
      await file.close();
    }
    if (this.#ended) return;
    this.#size = reach;
    this.#given = end;
    if (!durable) return;
    this.#synced = this.#size;
    this.#lines = this.#lines.slice(end);
    this.#given = 0;
  }

  #settle(failure: Error | undefined): void {
    if (this.#ended) return;
    if (failure instanceof LogCutError || failure instanceof RunLockError) this.#end(failure.message);
    else if (failure === undefined) {
      if (this.#trouble !== undefined) this.#tell('is written again, with every line');
      this.#trouble = undefined;
    } else if (this.#closing === undefined) {
      const notified = this.#trouble !== undefined;
      if (!notified) this.#tell(`can't be written: ${failure.message}; training goes on, and it is tried again`);
      this.#trouble = failure;
      this.#flushAfter(RETRY_MS);
    }
  }

  #tell(what: string): void {
    this.#onNotice(`${basename(this.#path)} ${what}`);
  }

  #end(reason: string): void {
    // Where all lines were given, none of those that aren't on the disk is certain.
    const missing = this.#lines.slice(this.#given) || this.#lines;
    const first = parseStepLine(missing.slice(0, missing.indexOf('\n')))?.step;
    this.#ended = true;
    this.#lines = '';
    this.#given = 0;
    clearTimeout(this.#timer);
    const where = first === undefined ? 'ends here' : `ends before step ${first}`;
    this.#tell(`${where}: ${reason}; the run goes on without it`);
  }
}
