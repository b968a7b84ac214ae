import type { CheckpointView, HappeningView, RunState, RunView, TestPoint } from '../shared/live/feed.ts';
import { type CurveQuantity, type Finite, type Point, StepSeries } from '../shared/live/series.ts';

/** Steps over which the key figures are averaged. */
const RECENT = 100;
/** The most entries that a list keeps. */
const MAX_LINES = 4096;

/** A run on the page, which grows with the feed. */
export class Run {
  readonly view: RunView;
  /** Which colour and dash its curves have. */
  readonly look: number;
  readonly series: StepSeries;
  readonly tests: TestPoint[];
  readonly checkpoints: CheckpointView[];
  readonly happenings: HappeningView[];
  state: RunState;
  weightsSha256: string | undefined;

  constructor(view: RunView, look = 0) {
    this.view = view;
    this.look = look;
    this.series = StepSeries.from(view.series);
    this.tests = [...view.tests];
    this.checkpoints = [...view.checkpoints];
    this.happenings = [...view.happenings];
    this.state = view.state;
    this.weightsSha256 = view.weightsSha256;
  }

  get lastStep(): number {
    return this.series.span?.last ?? 0;
  }

  get lastTest(): TestPoint | undefined {
    return this.tests.at(-1);
  }

  /** The mean of the last steps; undefined before the first one, null if one of them isn't finite. */
  recent(quantity: CurveQuantity): Finite | undefined {
    const to = this.lastStep;
    const { mean } = this.series.curve(quantity, { from: Math.max(1, to - RECENT + 1), to, points: RECENT });
    if (mean.length === 0) return undefined;
    return mean.reduce((sum, value) => (sum === null || value === null ? null : sum + value / mean.length), 0);
  }

  add(points: readonly Point[]): void {
    for (const point of points) this.series.push(point);
  }

  addTo<Item>(list: Item[], item: Item): void {
    list.push(item);
    if (list.length > MAX_LINES) list.shift();
  }
}
