import type { Summary } from '../coordinator/run/summary.ts';
import { type StepObserver, together } from '../coordinator/train/observer.ts';
import type { TrainConfig } from '../shared/config/config.ts';

/** A run whose first step is about to begin. */
export interface RunStarted {
  /** The run directory. */
  readonly run: string;
  readonly config: TrainConfig;
  /** The data set's name. */
  readonly dataset: string;
  /** Updates done before. */
  readonly from: number;
  /** Where the live page and the metrics are; undefined if they are off. `moved`: on another port than the configured one. */
  readonly http: { readonly url: string; readonly moved: boolean } | undefined;
}

/** What a caller of the library is told of a run, beside its steps. An observer never changes the run. */
export interface RunObserver extends StepObserver {
  /** A passing text, such as how much of a download has come; an empty one takes it away. */
  onStatus?(text: string): void;
  /** The run directory is open: from now on a stop ends the run with a checkpoint. `name`: the run's. */
  onOpen?(name: string): void;
  onStart?(run: RunStarted): void;
  /** The training is over, finished or stopped, and all of it is saved but run.json's last state. */
  onResult?(result: Summary, config: TrainConfig): void;
}

/** One observer that passes every call on to each. */
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

/** Passes a sentence on to whoever watches. */
export function printer(observer: Required<Pick<StepObserver, 'onEvent'>>): (message: string) => void {
  return (message) => observer.onEvent({ kind: 'notice', message });
}
