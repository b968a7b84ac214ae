import { dirname } from 'node:path';
import { RunLockError } from '../../../shared/util/errors.ts';
import { makePlainFolder } from '../../../shared/util/plain-file.ts';
import { cutPast, LogCutError, openLogFile, writeFailure } from '../../run/step-file.ts';
import { WriteFailures } from '../../run/write-failures.ts';
import { frame } from './records.ts';

export interface EventFileOptions {
  /** Called with a sentence for the person who watches the run. */
  readonly onNotice: (message: string) => void;
  /** Reports what can't be written, together with the run's other files (default: by onNotice). */
  readonly failures?: WriteFailures | undefined;
  readonly openFile?: typeof openLogFile;
  /** Called before each write. @throws RunLockError if another process owns the run directory, which ends the file */
  readonly mayWrite?: () => Promise<void>;
}

const NAME = "TensorBoard's event files";
const FLUSH_MS = 1000;
const FLUSH_BYTES = 1 << 18;
/** The wait between two attempts to write. */
const RETRY_MS = 5000;
/** About 60,000 steps: if the disk fails for longer, the file ends and the run continues. */
const MAX_PENDING_BYTES = 1 << 24;

/**
 * A file of records, gathered into few writes; the first write makes the file and its folder. A write that fails is reported once
 * and tried again until it succeeds, so the file has no gap. No method throws, and the file isn't synced: what a power cut loses is
 * in steps.jsonl.
 */
export class EventFile {
  readonly #path: string;
  readonly #options: EventFileOptions;
  readonly #failures: WriteFailures;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Bytes that were written. */
  #size = 0;
  #hasFailed = false;
  #ended = false;
  #closing: Promise<void> | undefined;
  #queued = 0;
  #lastAttempt: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string, options: EventFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#failures = options.failures ?? new WriteFailures(options.onNotice);
  }

  /** Adds a record, which is written within about a second. Never waits. */
  append(bytes: Uint8Array): void {
    if (this.#ended || this.#closing !== undefined) return;
    const record = frame(bytes);
    this.#pending.push(record);
    this.#pendingBytes += record.length;
    const isMuch = this.#pendingBytes >= FLUSH_BYTES;
    if (this.#pendingBytes > MAX_PENDING_BYTES) this.#end('the disk is too slow');
    else if (isMuch && this.#queued === 0 && !this.#hasFailed) void this.flush();
    else this.#flushAfter(FLUSH_MS);
  }

  /** Resolves when every record appended so far was written, or the attempt failed. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queued++;
    // Two concurrent writes could land in either order.
    this.#lastAttempt = this.#lastAttempt.then(async () => {
      const failure = await this.#writePending().catch((error: Error) => error);
      this.#queued--;
      this.#settle(failure);
    });
    return this.#lastAttempt;
  }

  /** Writes the rest, or reports that it is lost. Records appended later are dropped. */
  close(): Promise<void> {
    this.#closing ??= this.flush().then(() => {
      if (!this.#ended && this.#pending.length > 0) this.#end('the disk still fails');
    });
    return this.#closing;
  }

  #flushAfter(milliseconds: number): void {
    this.#timer ??= setTimeout(() => void this.flush(), milliseconds).unref();
  }

  async #writePending(): Promise<undefined> {
    const count = this.#pending.length;
    if (count === 0) return;
    const bytes = Buffer.concat(this.#pending);
    await this.#options.mayWrite?.();
    if (this.#size === 0) await makePlainFolder(dirname(this.#path));
    const file = await (this.#options.openFile ?? openLogFile)(this.#path, this.#size === 0 ? 'make' : 'update');
    try {
      await cutPast(file, this.#size);
      await file.write(bytes, this.#size);
    } finally {
      await file.close();
    }
    if (this.#ended) return;
    this.#size += bytes.length;
    this.#pending = this.#pending.slice(count);
    this.#pendingBytes -= bytes.length;
  }

  #settle(failure: Error | undefined): void {
    if (this.#ended) return;
    if (failure instanceof RunLockError) this.#end(failure.message, 'the run ends');
    else if (failure instanceof LogCutError) this.#end(failure.message);
    else if (failure === undefined) {
      if (this.#hasFailed) this.#failures.succeeded(NAME, 'with every step');
      this.#hasFailed = false;
    } else {
      this.#failures.failed(NAME, writeFailure(this.#path, failure));
      this.#hasFailed = true;
      if (this.#closing === undefined) this.#flushAfter(RETRY_MS);
    }
  }

  #notify(what: string): void {
    this.#options.onNotice(`${NAME} ${what}`);
  }

  #end(reason: string, then = 'the run continues without them'): void {
    this.#ended = true;
    this.#failures.ended(NAME);
    this.#pending = [];
    clearTimeout(this.#timer);
    this.#notify(`end here: ${reason}; ${then}`);
  }
}
