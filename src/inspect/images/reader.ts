import { extname } from 'node:path';
import { Piscina } from 'piscina';
import { processorCount } from '../../shared/util/processors.ts';
import type { ReadImage } from './thread.ts';

/** More threads than this hold more large pictures in memory than they save time. */
const MAX_THREADS = 8;
/** Milliseconds: a small file can be made to keep a decoder busy for hours. */
const LONGEST_DECODING = 30_000;

/** A pool of threads that reads pictures, so that decoding blocks nothing and a crash is contained. */
export class ImageReader {
  readonly #pool: Piscina<string, ReadImage>;
  readonly #threads: number;

  /** @param files how many there will be: fewer need fewer threads */
  constructor(files: number) {
    this.#threads = Math.max(1, Math.min(processorCount(), MAX_THREADS, files));
    this.#pool = new Piscina({
      filename: new URL(`./thread${extname(import.meta.url)}`, import.meta.url).href,
      name: 'readImage',
      // Threads beyond the minimum would end whenever they have nothing to do, and start again.
      minThreads: this.#threads,
      maxThreads: this.#threads,
    });
  }

  /** The files' digits in the files' order, as many files at work as there are threads. */
  async *read(files: Iterable<string>): AsyncGenerator<ReadImage> {
    const atWork: Promise<ReadImage>[] = [];
    for (const file of files) {
      if (atWork.length === this.#threads) yield (await atWork.shift()) as ReadImage;
      atWork.push(this.#run(file));
    }
    for (const read of atWork) yield await read;
  }

  /** Settles always: a thread that dies or takes too long is this file's problem alone. */
  async #run(file: string): Promise<ReadImage> {
    try {
      return await this.#pool.run(file, { signal: AbortSignal.timeout(LONGEST_DECODING) });
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'AbortError';
      if (isLate) return { problem: `decoding it takes more than ${LONGEST_DECODING / 1000} seconds` };
      return { problem: `decoding it failed (${error instanceof Error ? error.message : String(error)})` };
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
