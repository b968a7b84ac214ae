import { Piscina } from 'piscina';
import { processorCount } from './processors.ts';

/** More threads than this hold more large pictures in memory than they save time. */
const MAX_THREADS = 8;

export interface TaskPoolOptions {
  /** The file, and the function in it that each thread runs for a task. */
  readonly filename: string;
  readonly name: string;
  /** What a task does, for messages: `decoding it`. */
  readonly doing: string;
  /** Seconds that a task may take. */
  readonly seconds: number;
  /** What each thread finds as its `workerData`. */
  readonly workerData?: unknown;
}

/** A pool of threads for work on what may be hostile, so that it blocks nothing and may take too long, or end its thread. */
export class TaskPool<Task, Result> {
  readonly #pool: Piscina<Task, Result>;
  readonly #threads: number;
  readonly #options: TaskPoolOptions;

  /** @param tasks how many there will be: fewer need fewer threads */
  constructor(options: TaskPoolOptions, tasks: number) {
    const { filename, name, workerData } = options;
    this.#options = options;
    this.#threads = Math.max(1, Math.min(processorCount(), MAX_THREADS, tasks));
    this.#pool = new Piscina({
      ...{ filename, name, workerData },
      // Threads beyond the minimum would end whenever they have nothing to do, and start again.
      minThreads: this.#threads,
      maxThreads: this.#threads,
    });
  }

  /**
   * The tasks' results in the tasks' order, as many tasks at work as there are threads.
   * @param failed the result of a task that throws or takes too long, and why
   */
  async *run(tasks: Iterable<Task>, failed: (task: Task, problem: string) => Result): AsyncGenerator<Result> {
    const atWork: Promise<Result>[] = [];
    for (const task of tasks) {
      if (atWork.length === this.#threads) yield (await atWork.shift()) as Result;
      atWork.push(this.#run(task, failed));
    }
    for (const result of atWork) yield await result;
  }

  /** Settles always: a thread that dies or takes too long is this task's problem alone. */
  async #run(task: Task, failed: (task: Task, problem: string) => Result): Promise<Result> {
    const { doing, seconds } = this.#options;
    try {
      return await this.#pool.run(task, { signal: AbortSignal.timeout(1000 * seconds) });
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'AbortError';
      if (isLate) return failed(task, `${doing} takes more than ${seconds} seconds`);
      return failed(task, `${doing} failed (${error instanceof Error ? error.message : String(error)})`);
    }
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
