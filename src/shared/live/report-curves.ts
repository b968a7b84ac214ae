import type { TestPoint } from './feed.ts';
import type { PackedSeries } from './packed-series.ts';
import { CHARTED_SCALARS, type Quantity, type ScalarChart } from './step-scalars.ts';

/** The element of a report that holds its curves as JSON, a list of these. */
export const CURVES_ID = 'curves-data';

/** The quantities whose curves a report has. */
export const REPORT_QUANTITIES: readonly Quantity[] = CHARTED_SCALARS.filter(
  ({ chart }: { readonly chart: ScalarChart }) => chart.isInReport,
).map(({ key }) => key);

/** A run's curves inside a report. */
export interface ReportCurves {
  readonly name: string;
  readonly iterations: number;
  readonly batch: number;
  readonly series: PackedSeries;
  readonly tests: readonly TestPoint[];
}
