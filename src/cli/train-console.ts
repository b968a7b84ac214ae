import type { Summary } from '../coordinator/run/summary.ts';
import type { EvaluationRecord, RunEvent, StepObserver, StepRecord } from '../coordinator/train/observer.ts';
import type { RunObserver, RunStarted } from '../library/observer.ts';
import type { TrainConfig } from '../shared/config/config.ts';
import { keepYoungSmall } from '../shared/util/young-garbage.ts';
import { printJson } from './print.ts';
import { progressOf } from './progress/progress.ts';
import { announcement, summaryText } from './run-texts.ts';
import type { Terminal } from './terminal/terminal.ts';

/** Prints a run for `lockstep train`. */
export class TrainConsole implements RunObserver {
  readonly #terminal: Terminal;
  #progress: StepObserver | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  onStatus(text: string): void {
    this.#terminal.showText(text);
  }

  onOpen(name: string): void {
    this.#terminal.setContext({ run: name });
  }

  onStart(run: RunStarted): void {
    // For the whole process, so it isn't for the library to decide.
    keepYoungSmall();
    for (const [line, level] of announcement(run)) this.#terminal.print(line, { level });
    const { iterations: steps, batch } = run.config;
    this.#progress = progressOf({ terminal: this.#terminal, steps, batch, now: () => performance.now() });
  }

  onStep(record: StepRecord): void {
    this.#progress?.onStep?.(record);
    this.#terminal.setContext({ step: record.step });
  }

  onEvaluation(record: EvaluationRecord): void {
    this.#progress?.onEvaluation?.(record);
  }

  onEvent(event: RunEvent): void {
    if (event.kind !== 'notice') return;
    const { kind: _, message, ...entry } = event;
    this.#terminal.print(message, entry);
  }

  onResult(result: Summary, config: TrainConfig): void {
    this.#terminal.clear();
    const [[first] = [''], ...others] = summaryText(result, config);
    // In the log, the field `run` is the run's name on every line, so its path has another name.
    const { run: path, ...figures } = result;
    this.#terminal.print(first, { ...figures, path });
    for (const [line, level] of others) this.#terminal.print(line, { level });
    if (config.json) printJson(result);
  }

  async close(): Promise<void> {
    this.#terminal.clear();
  }
}
