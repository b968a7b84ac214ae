import type { RunView, TestPoint } from '../shared/live/feed.ts';
import { type OwnQuantity, ownQuantity } from '../shared/live/own-scalars.ts';
import {
  CHARTED_SCALARS,
  type MeasuredRun,
  type Quantity,
  type ScalarChart,
  TESTED_SCALARS,
  type Unit,
  type UpdateScalar,
  VALIDATED_SCALARS,
} from '../shared/live/step-scalars.ts';
import { percent } from '../shared/util/figures.ts';
import type { ChartOptions } from './chart.ts';
import { duration, figure } from './format.ts';

const FORMATS: Readonly<Record<Unit, (value: number) => string>> = {
  number: figure,
  ratio: (value) => percent(value, 1),
  seconds: duration,
};

/** What a run's view tells of what it measures. */
function measured({ hasAccuracy = true, config }: RunView): MeasuredRun {
  return { hasAccuracy, hasValidation: Number(config.validation) > 0, hasReplicas: Number(config.replicas) > 1 };
}

/** The chart of a scalar of the caller's own, shown of runs that have it. */
export function ownChartOf(quantity: OwnQuantity): ChartOptions {
  return {
    title: quantity.slice(ownQuantity('').length),
    quantity,
    height: 0.6,
    isOf: ({ series }) => series.own.includes(quantity),
    format: figure,
  };
}

/** The chart of a scalar of STEP_SCALARS, with the evaluations that belong in it. */
export function chartOf(quantity: Quantity): ChartOptions {
  const { chart, unit, isOf } = CHARTED_SCALARS.find(({ key }) => key === quantity) as UpdateScalar & {
    readonly chart: ScalarChart;
  };
  const tested = TESTED_SCALARS.find((scalar) => scalar.chartOf === quantity);
  const validated = VALIDATED_SCALARS.find((scalar) => scalar.validationOf === quantity);
  return {
    ...chart,
    quantity,
    isOf: isOf && (({ view }) => isOf(measured(view))),
    format: FORMATS[unit],
    test: tested && ((point: TestPoint) => point[tested.chartOf]),
    validation: validated && ((point: TestPoint) => point.validation?.[validated.validationOf] ?? null),
  };
}
