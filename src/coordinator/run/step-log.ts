import { basename, dirname } from 'node:path';
import { RunDirectoryError, RunLockError } from '../../shared/util/errors.ts';
import { type FileOperations, fileOperations } from '../../shared/util/replace-file.ts';
import type { StepRecord } from '../train/observer.ts';
import { partFile, STEPS } from './files.ts';
import { hasLine, type LoggedSteps } from './logged-steps.ts';
import { cutAfter, cutPast, LogCutError, openLogFile, withLogFile, writeFailure } from './step-file.ts';
import { parseStepLine, stepLine } from './step-lines.ts';
import { PART_SIZE, partsOf, reopenPart } from './step-parts.ts';
import { WriteFailures } from './write-failures.ts';

export interface StepLogOptions {
  /** Called with a sentence for the user. */
  readonly onNotice: (message: string) => void;
  /** Reports what can't be written, together with the run's other files (default: by onNotice). */
  readonly failures?: WriteFailures | undefined;
  readonly openFile?: typeof openLogFile;
  /** Called before each write. @throws RunLockError if another process owns the run directory: the log ends then */
  readonly mayWrite?: () => Promise<void>;
  /** Renames and removes whole files. @throws RunLockError as `mayWrite` */
  readonly files?: FileOperations;
  /** Steps between lines, but for those with an evaluation, a hash or a link of the chain, which are all there (default: 1). */
  readonly every?: number;
  /** Bytes at which the file becomes an old part (default: 64 MiB). */
  readonly partBytes?: number;
  /** Called when the file has become an old part. */
  readonly onPart?: () => void;
}

export interface ResumeOptions extends StepLogOptions {
  /** The steps that have lines so far (default: all). */
  readonly logged?: Pick<LoggedSteps, 'isDue' | 'first'>;
}

const ALL: Pick<LoggedSteps, 'isDue' | 'first'> = {
  isDue: () => true,
  first: (from, to) => (from > to ? undefined : from),
};

/** Lines are written when the oldest has waited this long, or when they have this many characters. */
const FLUSH_MS = 1000;
const FLUSH_CHARACTERS = 1 << 16;
/** Pause between two attempts while the disk fails. */
const RETRY_MS = 5000;
/** Lines are kept until they are synced, which is done at the latest when they have this many characters. */
const SYNC_CHARACTERS = 1 << 20;
/** Characters of about 200,000 steps. If a disk fails for longer, the log ends, so that memory suffices for the run. */
const MAX_PENDING_CHARACTERS = 1 << 26;

/**
 * Writes steps.jsonl: lines in order, combined into few writes. A write that fails is retried until it succeeds, so the file never
 * has a gap and loses no line, unless more than MAX_PENDING_CHARACTERS wait. A file that is long enough and synced
 * becomes an old part. Only one process may write.
 */
export class StepLog {
  readonly #path: string;
  readonly #onNotice: (message: string) => void;
  readonly #failures: WriteFailures;
  readonly #openFile: typeof openLogFile;
  readonly #mayWrite: () => Promise<void>;
  readonly #files: FileOperations;
  readonly #every: number;
  readonly #onPart: () => void;
  /** Bytes at which the file becomes an old part. */
  readonly #partBytes: number;
  /** The number of the part that the file will be. */
  #part: number;
  /** The file became a part, so that the next write makes a new one. */
  #isNew = false;
  /** The last step, if it has no line: should the run end, it gets one. */
  #left: StepRecord | undefined;
  /** The lines that aren't synced yet. */
  #lines = '';
  /** Characters of `#lines` that were written but not synced. */
  #given = 0;
  /** Bytes of the file that are synced. */
  #synced: number;
  /** Bytes of the file that are written. */
  #size: number;
  /** The failure that was reported; undefined after the next success. */
  #trouble: Error | undefined;
  #ended = false;
  /** Attempts that haven't finished. */
  #queued = 0;
  #lastAttempt: Promise<Error | undefined> = Promise.resolve(undefined);
  #closing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(path: string, { size, part }: { size: number; part: number }, options: StepLogOptions) {
    const { onNotice, openFile = openLogFile, mayWrite = async () => {}, files = fileOperations } = options;
    const { every = 1, onPart = () => {} } = options;
    this.#files = files;
    this.#every = every;
    this.#onPart = onPart;
    this.#part = part;
    this.#partBytes = options.partBytes ?? PART_SIZE.bytes;
    this.#failures = options.failures ?? new WriteFailures(onNotice);
    this.#path = path;
    this.#mayWrite = mayWrite;
    this.#onNotice = onNotice;
    this.#openFile = openFile;
    this.#synced = this.#size = size;
  }

  /**
   * Makes a new, empty file.
   * @throws the file system's error; EEXIST if there is a file that isn't empty
   */
  static async create(path: string, options: StepLogOptions): Promise<StepLog> {
    const size = await withLogFile(path, (file) => file.size(), options.openFile);
    if (size > 0) throw Object.assign(new Error(`EEXIST: ${path} isn't empty`), { code: 'EEXIST', path });
    return new StepLog(path, { size: 0, part: 1 }, options);
  }

  /**
   * Continues after `step` updates: removes later lines and an incomplete one at the end, from an old part too. If the file is
   * missing, makes a new one.
   * @returns the log, the record of `step`, undefined if the file lacks it, and the latest timestamp that a step had
   * @throws RunDirectoryError if the file can't be read or written
   */
  static async resume(
    path: string,
    step: number,
    { logged = ALL, ...options }: ResumeOptions,
  ): Promise<{ log: StepLog; last: StepRecord | undefined; at: number | undefined }> {
    try {
      const before = await reopenPart(path, step, options.files ?? fileOperations);
      const { found, at } = await withLogFile(path, (file) => cutAfter(file, step), options.openFile);
      const { record, begin, end } = found;
      // The line of the step at which the run was stopped is only there until the run continues: the next write cuts it.
      const size = record === undefined || logged.isDue(record) ? end : begin;
      const log = new StepLog(path, { size, part: ((await partsOf(path)).at(-1)?.number ?? 0) + 1 }, options);
      const lacking = logged.first((record?.step ?? 0) + 1, step);
      if (lacking !== undefined) {
        const steps = lacking < step ? `lines of the steps ${lacking} to ${step}` : `step ${step}`;
        log.#notify(`lacks ${steps}; training continues`);
      }
      return { log, last: record?.step === step ? record : undefined, at: before ?? at };
    } catch (error) {
      throw error instanceof RunDirectoryError ? error : writeFailure(path, error as Error);
    }
  }

  /** Adds a line within about a second. Never throws, never waits. */
  append(record: StepRecord): void {
    if (this.#ended || this.#closing !== undefined) return;
    this.#left = hasLine(record, this.#every) ? undefined : record;
    if (this.#left === undefined) this.#add(record);
  }

  #add(record: StepRecord): void {
    this.#lines += stepLine(record);
    const isMuch = this.#lines.length - this.#given >= FLUSH_CHARACTERS;
    if (this.#lines.length > MAX_PENDING_CHARACTERS) this.#end(this.#trouble?.message ?? 'the disk is too slow');
    else if (isMuch && this.#queued === 0 && this.#trouble === undefined) void this.flush();
    else this.#flushAfter(FLUSH_MS);
  }

  /** Resolves when every line appended so far is written, though perhaps not synced, or the attempt failed. */
  async flush(): Promise<void> {
    await this.#attempt(false);
  }

  /**
   * Resolves when every line appended so far is on the disk, or when the log has ended: checkpoints are still written then.
   * @throws RunDirectoryError if the lines aren't on the disk; they are kept, and writing is retried
   */
  async sync(): Promise<void> {
    if (this.#ended) return;
    const failure = await this.#attempt(true);
    if (failure !== undefined && !this.#ended) throw writeFailure(this.#path, failure);
  }

  /** Syncs all lines to the disk, that of the last step too, or reports by onNotice which are lost. Lines appended later are dropped. */
  close(): Promise<void> {
    if (this.#left !== undefined && !this.#ended) this.#add(this.#left);
    this.#left = undefined;
    this.#closing ??= this.#attempt(true).then((failure) => {
      if (failure !== undefined) this.#end(failure.message);
    });
    return this.#closing;
  }

  #flushAfter(milliseconds: number): void {
    this.#timer ??= setTimeout(() => void this.flush(), milliseconds).unref();
  }

  /** Writes run one after the other, because two that overlap could be carried out in either order. */
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
    if (this.#given === 0 && end > 0 && this.#size >= this.#partBytes) await this.#rotate();
    const bytes = Buffer.from(this.#lines.slice(this.#given, end));
    const reach = this.#size + bytes.length;
    // Whole files are synced.
    const isWhole = reach >= this.#partBytes;
    const durable = sync || isWhole || this.#trouble !== undefined || end >= SYNC_CHARACTERS;
    if (this.#given === end && !(durable && end > 0)) return;
    const file = await this.#openFile(this.#path, this.#isNew ? 'make' : 'update');
    try {
      // Asked once the file is open: whoever takes the directory over puts another file in its place, which isn't written to.
      await this.#mayWrite();
      await cutPast(file, this.#size);
      await file.write(bytes, this.#size);
      if (durable) {
        // If a sync fails, the system drops the unsynced data, and the next sync succeeds without it, so all is written again.
        this.#size = this.#synced;
        this.#given = 0;
        await file.sync();
        if (this.#isNew) await this.#files.syncDirectory(dirname(this.#path));
        this.#isNew = false;
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

  /** Makes the file, all of which is synced, an old part. */
  async #rotate(): Promise<void> {
    await this.#files.rename(this.#path, partFile(this.#path, this.#part));
    this.#part++;
    this.#size = this.#synced = 0;
    this.#isNew = true;
    await this.#files.syncDirectory(dirname(this.#path));
    this.#onPart();
  }

  #settle(failure: Error | undefined): void {
    if (this.#ended) return;
    if (failure instanceof RunLockError) this.#end(failure.message, 'the run ends');
    else if (failure instanceof LogCutError) this.#end(failure.message);
    else if (failure === undefined) {
      if (this.#trouble !== undefined) this.#failures.succeeded(STEPS, 'with every line');
      this.#trouble = undefined;
    } else if (this.#closing === undefined) {
      this.#failures.failed(STEPS, writeFailure(this.#path, failure));
      this.#trouble = failure;
      this.#flushAfter(RETRY_MS);
    }
  }

  #notify(what: string): void {
    this.#onNotice(`${basename(this.#path)} ${what}`);
  }

  #end(reason: string, then = 'the run continues without it'): void {
    // If all lines were written, each of those that aren't synced may be lost.
    const missing = this.#lines.slice(this.#given) || this.#lines;
    const first = parseStepLine(missing.slice(0, missing.indexOf('\n')))?.step;
    this.#ended = true;
    this.#failures.ended(STEPS);
    this.#lines = '';
    this.#given = 0;
    clearTimeout(this.#timer);
    const where = first === undefined ? 'ends here' : `ends before step ${first}`;
    this.#notify(`${where}: ${reason}; ${then}`);
  }
}
