import type { TestPoint } from './feed.ts';
import type { PackedSeries } from './packed-series.ts';

/** The element of a report that holds its curves as JSON, a list of these. */
export const CURVES_ID = 'curves-data';

/** A run's curves inside a report. */
export interface ReportCurves {
  readonly name: string;
  readonly iterations: number;
  readonly batch: number;
  readonly series: PackedSeries;
  readonly tests: readonly TestPoint[];
}
