import type { RunEvent, StepObserver, StepRecord } from '../../coordinator/train/observer.ts';
import { isEvaluated } from '../../shared/live/step-scalars.ts';
import { count, percent } from '../../shared/util/figures.ts';
import type { Style } from '../terminal/terminal.ts';
import { Pace, TimeLeft } from './pace.ts';
import type { ProgressOptions } from './progress-options.ts';
import { clock, entryOf, stepLine, stepOf } from './texts.ts';

/** Seconds between two updates of the speed: with shorter ones it flickers. */
const SPEED_SECONDS = 1;
const MINIMUM_BAR = 6;
const SEPARATOR = '  ';

/** A part of the status line: in full, shortened, and the order of removal if the terminal is narrow (1 is removed first). */
interface Part {
  readonly full: string;
  readonly short: string;
  readonly removal: number;
}

/** One line at the bottom of the terminal; evaluations and notices stay above it. */
export class ProgressBar implements StepObserver {
  readonly #options: ProgressOptions;
  readonly #left: TimeLeft;
  readonly #recent = new Pace();
  #speed = Number.NaN;
  #last: StepRecord | undefined;
  readonly #paint = (columns: number, style: Style): string => this.#line(columns, style);

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#left = new TimeLeft(options.now);
  }

  onStep(record: StepRecord): void {
    this.#last = record;
    this.#left.countStep(record.timings.total);
    this.#recent.add(record.timings.total);
    if (this.#recent.seconds >= SPEED_SECONDS) {
      this.#speed = this.#recent.speed;
      this.#recent.reset();
    }
    const { terminal, steps } = this.#options;
    const speed = this.#samplesPerSecond;
    if (isEvaluated(record)) terminal.print(stepLine(record, steps, { speed }), entryOf(record, speed));
    terminal.show(this.#paint);
  }

  onEvent(event: RunEvent): void {
    if (event.kind !== 'notice') return;
    const { kind: _, message, ...entry } = event;
    this.#options.terminal.print(message, entry);
  }

  get #samplesPerSecond(): number {
    const speed = Number.isNaN(this.#speed) ? this.#recent.speed : this.#speed;
    return speed * this.#options.batch;
  }

  #line(columns: number, style: Style): string {
    if (this.#last === undefined) return '';
    const { steps } = this.#options;
    const { step } = this.#last;
    const shown = stepOf(step, steps);
    const texts = fit(this.#parts(this.#last), columns - shown.length - 1 - MINIMUM_BAR);
    const rest = texts.map((text) => SEPARATOR + text).join('');
    const length = columns - shown.length - 1 - rest.length;
    if (length >= 1) return `${shown} ${barOf(step / steps, length, style)}${rest}`;
    // A step that is cut off would read as another one.
    return [shown, percent(step / steps, 0)].find((text) => text.length <= columns) ?? '';
  }

  #parts({ step, loss, accuracy }: StepRecord): Part[] {
    const speed = this.#samplesPerSecond;
    const left = `${clock(this.#left.of(this.#options.steps - step))} left`;
    // As wide as 100.0 %, so that the bar's length stays.
    const share = accuracy === undefined ? '' : percent(accuracy, 1).padStart(7);
    const samples = Number.isFinite(speed) ? count(speed) : '?';
    return [
      { full: `loss ${loss.toFixed(4)}`, short: `loss ${loss.toFixed(4)}`, removal: 3 },
      ...(accuracy === undefined ? [] : [{ full: `accuracy ${share}`, short: `acc ${share}`, removal: 1 }]),
      { full: `${samples} samples/s`, short: `${samples}/s`, removal: 2 },
      { full: left, short: left, removal: 4 },
    ];
  }
}

/** The parts' texts that together, each after a separator, take at most `room`: first all are shortened, then some are removed. */
function fit(parts: readonly Part[], room: number): string[] {
  const order = [...parts].sort((a, b) => a.removal - b.removal);
  const texts = new Map(parts.map((part) => [part, part.full]));
  const tooWide = (): boolean =>
    [...texts.values()].reduce((sum, text) => sum + SEPARATOR.length + text.length, 0) > room;
  for (const part of order) if (tooWide()) texts.set(part, part.short);
  for (const part of order) if (tooWide()) texts.delete(part);
  return [...texts.values()];
}

function barOf(ratio: number, length: number, { colour, unicode }: Style): string {
  const full = Math.floor(ratio * length);
  const done = (unicode ? '━' : '#').repeat(full);
  const open = (unicode ? '─' : '.').repeat(length - full);
  return colour ? `\x1b[36m${done}\x1b[0;2m${open}\x1b[0m` : done + open;
}
