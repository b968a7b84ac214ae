import type { Summary } from '../coordinator/run/summary.ts';
import { type StepObserver, together } from '../coordinator/train/observer.ts';
import type { TrainConfig } from '../shared/config/config.ts';
import type { Print } from '../shared/util/notice.ts';

/** A run whose first step is about to begin. */
export interface RunStarted {
  /** The run directory. */
  readonly run: string;
  readonly config: TrainConfig;
  /** The data set's name. */
  readonly dataset: string;
  /** Updates done before this attempt. */
  readonly from: number;
  /** The server of the live page and the metrics; undefined if they are off. `moved`: on another port than the configured one. */
  readonly http: { readonly url: string; readonly moved: boolean } | undefined;
}

/** The callbacks of a caller of the library: those of a step observer, and those about the run as a whole. */
export interface RunObserver extends StepObserver {
  /** Called with a temporary text, such as the progress of a download; an empty text removes it. */
  onStatus?(text: string): void;
  /** Called with the run's name when its directory is open: from now on a stop ends the run with a checkpoint. */
  onOpen?(name: string): void;
  /** Called when the first step is about to begin. */
  onStart?(run: RunStarted): void;
  /** Called when the training is over, finished or stopped, and everything except run.json's last state is saved. */
  onResult?(result: Summary, config: TrainConfig): void;
}

/** One observer that forwards every call to each of `observers`. */
export function allOf(observers: readonly RunObserver[]): Required<RunObserver> {
  return {
    ...together(observers),
    onStatus: (text) => {
      for (const observer of observers) observer.onStatus?.(text);
    },
    onOpen: (name) => {
      for (const observer of observers) observer.onOpen?.(name);
    },
    onStart: (run) => {
      for (const observer of observers) observer.onStart?.(run);
    },
    onResult: (result, config) => {
      for (const observer of observers) observer.onResult?.(result, config);
    },
    close: async () => {
      for (const observer of observers) await observer.close?.();
    },
  };
}

/** A function that passes a sentence to an observer as a notice. */
export function printer(observer: Required<Pick<StepObserver, 'onEvent'>>): Print {
  return (message, level = 'info') => observer.onEvent({ kind: 'notice', message, level });
}
