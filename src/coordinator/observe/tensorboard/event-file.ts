import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RunLockError } from '../../../shared/util/errors.ts';
import { cutPast, LogCutError, openLogFile } from '../../run/step-file.ts';
import { frame } from './records.ts';

export interface EventFileOptions {
  /** Takes a sentence for the person who watches the run. */
  readonly onNotice: (message: string) => void;
  readonly openFile?: typeof openLogFile;
  /** Asked before each write. @throws RunLockError where another process owns the run directory: the file ends then */
  readonly mayWrite?: () => Promise<void>;
}

const FLUSH_MS = 1000;
const FLUSH_BYTES = 1 << 18;
/** Between two attempts on a disk that fails. */
const RETRY_MS = 5000;
/** Some 60,000 steps: a disk that fails for longer ends the file, not the run, and not by eating all memory. */
const MAX_PENDING_BYTES = 1 << 24;

/**
 * A file of records, gathered into few writes; it and its folder are made with the first. A write that fails is told once and
 * tried again until it works, so the file has no gap. Nothing here throws, and nothing is brought to the disk itself: what a
 * power cut takes is in steps.jsonl.
 */
export class EventFile {
  readonly #path: string;
  readonly #options: EventFileOptions;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** Bytes of the file that the system was given. */
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
  }

  /** Adds a record within about a second. Never waits. */
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

  /** Resolves when every record appended so far was given to the system, or the attempt failed. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queued++;
    // One after the other: two writes that overlap could land in either order.
    this.#lastAttempt = this.#lastAttempt.then(async () => {
      const failure = await this.#writePending().catch((error: Error) => error);
      this.#queued--;
      this.#settle(failure);
    });
    return this.#lastAttempt;
  }

  /** Writes the rest, or tells that it is lost. Records appended later are dropped. */
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
    if (this.#size === 0) await mkdir(dirname(this.#path), { recursive: true });
    const file = await (this.#options.openFile ?? openLogFile)(this.#path, this.#size === 0 ? 'a+' : 'r+');
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
    if (failure instanceof LogCutError || failure instanceof RunLockError) this.#end(failure.message);
    else if (failure === undefined) {
      if (this.#hasFailed) this.#tell('are written again, with every step');
      this.#hasFailed = false;
    } else {
      if (!this.#hasFailed) this.#tell(`can't be written: ${failure.message}; training goes on, and it is tried again`);
      this.#hasFailed = true;
      if (this.#closing === undefined) this.#flushAfter(RETRY_MS);
    }
  }
  #tell(what: string): void {
    this.#options.onNotice(`TensorBoard's event files ${what}`);
  }

  #end(reason: string): void {
    this.#ended = true;
    this.#pending = [];
    clearTimeout(this.#timer);
    this.#tell(`end here: ${reason}; the run goes on without them`);
  }
}
