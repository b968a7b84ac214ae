import type { TrainConfig } from '../shared/config/config.ts';
import { secondsOf } from '../shared/config/duration.ts';

/** The reason of an abort by a time limit. */
export const MAX_TIME = 'maxTime';

/** What ended a run before its last step: a signal of its caller's, or its --max-time. */
export type StoppedBy = 'signal' | typeof MAX_TIME;

/** Ends a run when the time of its --max-time is over. */
export class TimeLimit {
  readonly #end = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** Aborted with MAX_TIME when the time is over. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  /**
   * @param from when the time began, in milliseconds of `performance.now()`
   * @param onEnd called when it is over
   */
  start({ maxTime }: Pick<TrainConfig, 'maxTime'>, from: number, onEnd: () => void): void {
    if (maxTime === undefined) return;
    const left = 1000 * secondsOf(maxTime) - (performance.now() - from);
    this.#timer = setTimeout(() => {
      onEnd();
      this.#end.abort(MAX_TIME);
    }, left).unref();
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}
