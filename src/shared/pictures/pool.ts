import { TaskPool } from '../util/task-pool.ts';
import { loadDecoder } from './decode.ts';

/** A small file can be made to keep a decoder busy for long. */
const LONGEST_DECODING_SECONDS = 30;

/** A pool of threads that decode pictures. */
export class DecodingPool<Task, Result> extends TaskPool<Task, Result> {
  /**
   * @param run the file and the function in it that each thread runs for a task
   * @param tasks how many there will be: fewer need fewer threads
   * @throws PackageError if no picture can be decoded here
   */
  constructor(run: { readonly filename: string; readonly name: string }, tasks: number) {
    loadDecoder();
    super({ ...run, doing: 'decoding it', seconds: LONGEST_DECODING_SECONDS }, tasks);
  }
}
