import type { RunEvent, StepObserver, StepRecord } from './observer.ts';

export interface ProgressOptions {
  /** The run's last step. */
  readonly steps: number;
  /** Samples of one step. */
  readonly batch: number;
  /** Writes one line, given without its end. */
  readonly write: (line: string) => void;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Between lines, where no evaluation brings one sooner. */
  readonly everySeconds?: number;
}

/** Plain lines of progress: every few seconds, at each evaluation and at the last step. */
export class ProgressLines implements StepObserver {
  readonly #options: ProgressOptions;
  readonly #interval: number;
  readonly #started: number;
  #stepsSeen = 0;
  #lastLine: number;
  /** Since the last line. */
  #recent = { steps: 0, seconds: 0 };

  /** Steps are timed from here on: make it where the first step is about to begin. */
  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#interval = (options.everySeconds ?? 5) * 1000;
    this.#started = options.now();
    this.#lastLine = this.#started;
  }

  onStep(record: StepRecord): void {
    this.#stepsSeen += 1;
    this.#recent.steps += 1;
    this.#recent.seconds += record.timings.total;
    const now = this.#options.now();
    const due = now - this.#lastLine >= this.#interval;
    if (!due && record.testAccuracy === undefined && record.step !== this.#options.steps) return;
    this.#options.write(this.#line(record, now));
    this.#lastLine = now;
    this.#recent = { steps: 0, seconds: 0 };
  }

  onEvent(event: RunEvent): void {
    if (event.kind === 'notice') this.#options.write(event.message);
  }

  #line(record: StepRecord, now: number): string {
    const { steps, batch } = this.#options;
    const { step, loss, accuracy, testAccuracy } = record;
    const speed = (this.#recent.steps * batch) / this.#recent.seconds;
    const left = ((now - this.#started) / 1000 / this.#stepsSeen) * (steps - step);
    return [
      `step ${String(step).padStart(String(steps).length)}/${steps}`,
      `loss ${loss.toFixed(4)}`,
      `accuracy ${percent(accuracy)}`,
      ...(testAccuracy === undefined ? [] : [`test ${percent(testAccuracy)}`]),
      ...(Number.isFinite(speed) ? [`${grouped(speed)} samples/s`] : []),
      ...(step < steps ? [`${duration(left)} left`] : []),
    ].join('  ');
  }
}

function percent(ratio: number): string {
  return `${(100 * ratio).toFixed(2)} %`;
}

function grouped(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Such as 45 s, 3 min 5 s or 2 h 10 min. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
