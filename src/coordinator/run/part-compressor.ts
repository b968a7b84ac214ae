import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGzip } from 'node:zlib';
import { RunLockError } from '../../shared/util/errors.ts';
import { openPlainFile } from '../../shared/util/plain-file.ts';
import { type FileOperations, replaceFile } from '../../shared/util/replace-file.ts';
import { COMPRESSED } from './files.ts';
import { writeFailure } from './step-file.ts';
import { MAX_PART_BYTES, type Part, partsOf } from './step-parts.ts';
import type { WriteFailures } from './write-failures.ts';

const NAME = 'old parts of steps.jsonl';
/** The wait after a failure: nothing is lost meanwhile. */
const RETRY_MS = 60_000;
/** Bytes that are read, and that are compressed to, at once, in a thread of Node's pool. */
const CHUNK_BYTES = 1 << 18;

export interface PartCompressorOptions {
  /** The path of steps.jsonl. */
  readonly log: string;
  readonly files: FileOperations;
  readonly failures: WriteFailures;
}

/**
 * Compresses the old parts of a log one after the other, beside the steps. The plain file is removed once the compressed one is on
 * the disk. Failures are reported once, and tried again; no method throws.
 */
export class PartCompressor {
  readonly #options: PartCompressorOptions;
  readonly #end = new AbortController();
  #working: Promise<void> | undefined;
  /** Whether parts may have come since those that are being compressed were listed. */
  #hasMore = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PartCompressorOptions) {
    this.#options = options;
  }

  /** Begins to compress all parts that are plain. */
  start(): void {
    if (this.#end.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#hasMore = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Resolves when the parts that there are now are compressed, or couldn't be. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** Gives up a part that is being compressed; it stays as it is until the run is continued. */
  async close(): Promise<void> {
    this.#end.abort();
    clearTimeout(this.#timer);
    await this.#working;
  }

  async #work(): Promise<void> {
    const { log, failures } = this.#options;
    try {
      while (this.#hasMore && !this.#end.signal.aborted) {
        this.#hasMore = false;
        for (const part of await partsOf(log)) if (!part.isCompressed) await this.#compress(part);
      }
      failures.succeeded(NAME, 'compressed');
    } catch (error) {
      // The log reports a lost lock.
      if (this.#end.signal.aborted || error instanceof RunLockError) return;
      failures.failed(NAME, error as Error);
      this.#timer = setTimeout(() => this.start(), RETRY_MS).unref();
    }
  }

  async #compress({ path }: Part): Promise<void> {
    const { files } = this.#options;
    const compressed = `${path}${COMPRESSED}`;
    try {
      if ((await stat(path)).size > MAX_PART_BYTES) return;
      await replaceFile(compressed, gzipped(path, this.#end.signal), { files });
      await files.remove(path);
    } catch (error) {
      throw error instanceof RunLockError ? error : writeFailure(compressed, error as Error);
    }
  }
}

/** A file's bytes, compressed. @throws the signal's reason once it is aborted */
async function* gzipped(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await openPlainFile(path, 'read');
  const gzip = createGzip({ chunkSize: CHUNK_BYTES });
  // Its failures are also those of the compressed bytes.
  pipeline(file.createReadStream({ highWaterMark: CHUNK_BYTES }), gzip, () => {});
  for await (const bytes of gzip) {
    signal.throwIfAborted();
    yield bytes;
  }
}
