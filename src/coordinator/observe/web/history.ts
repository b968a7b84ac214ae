import { type RunView, testPointOf } from '../../../shared/live/feed.ts';
import { CAPACITY, type Point, pointOf, StepSeries } from '../../../shared/live/series.ts';
import { isEvaluated } from '../../../shared/live/step-scalars.ts';
import type { StepRecord } from '../../train/observer.ts';

/** How many of the last ones are kept. */
const MAX_TESTS = 4096;
const MAX_CHECKPOINTS = 256;
const MAX_HAPPENINGS = 256;

/** The steps, tests, checkpoints and events of a run so far, in bounded memory. */
export class History {
  readonly #series: StepSeries;
  readonly #tests: RunView['tests'][number][] = [];
  readonly #checkpoints: RunView['checkpoints'][number][] = [];
  readonly #happenings: RunView['happenings'][number][] = [];
  lastStep = 0;

  /** @param capacity the number of steps that are kept one by one */
  constructor(capacity = CAPACITY) {
    this.#series = new StepSeries(capacity);
  }

  step(record: StepRecord): Point {
    const point = pointOf(record);
    this.#series.push(point);
    this.lastStep = record.step;
    if (isEvaluated(record) && this.#tests.at(-1)?.step !== record.step) this.test(testPointOf(record));
    return point;
  }

  test(test: RunView['tests'][number]): void {
    keep(this.#tests, test, MAX_TESTS);
  }

  checkpoint(checkpoint: RunView['checkpoints'][number]): void {
    keep(this.#checkpoints, checkpoint, MAX_CHECKPOINTS);
  }

  happening(happening: RunView['happenings'][number]): void {
    keep(this.#happenings, happening, MAX_HAPPENINGS);
  }

  get view(): Pick<RunView, 'series' | 'tests' | 'checkpoints' | 'happenings'> {
    const [tests, checkpoints, happenings] = [this.#tests, this.#checkpoints, this.#happenings];
    return { series: this.#series.data, tests, checkpoints, happenings };
  }
}

function keep<Item>(items: Item[], item: Item, max: number): void {
  items.push(item);
  if (items.length > max) items.shift();
}
