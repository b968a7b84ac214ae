import type { RunEvent, StepObserver, StepRecord } from '../../coordinator/train/observer.ts';
import { isEvaluated } from '../../shared/live/step-scalars.ts';
import { Pace, TimeLeft } from './pace.ts';
import type { ProgressOptions } from './progress-options.ts';
import { entryOf, stepLine } from './texts.ts';

const INTERVAL_MS = 5000;

/** Plain lines of progress: every few seconds, at each evaluation and at the last step. */
export class ProgressLines implements StepObserver {
  readonly #options: ProgressOptions;
  readonly #left: TimeLeft;
  /** Since the last line. */
  readonly #recent = new Pace();
  #lastLine: number;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#left = new TimeLeft(options.now);
    this.#lastLine = options.now();
  }

  onStep(record: StepRecord): void {
    this.#left.countStep(record.timings.total);
    this.#recent.add(record.timings.total);
    const now = this.#options.now();
    const isLast = record.step === this.#options.steps;
    const due = now - this.#lastLine >= INTERVAL_MS || isEvaluated(record) || isLast;
    if (!due) return;
    const { steps, batch, terminal } = this.#options;
    const speed = this.#recent.speed * batch;
    const rest = isLast ? { speed } : { speed, left: this.#left.of(steps - record.step) };
    terminal.print(stepLine(record, steps, rest), entryOf(record, speed));
    this.#lastLine = now;
    this.#recent.reset();
  }

  onEvent(event: RunEvent): void {
    if (event.kind !== 'notice') return;
    const { kind: _, message, ...entry } = event;
    this.#options.terminal.print(message, entry);
  }
}
