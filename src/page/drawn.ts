import type { TestPoint } from '../shared/live/feed.ts';
import { type Curve, type CurveQuantity, type Finite, stepsAround } from '../shared/live/series.ts';
import { smooth } from '../shared/live/smoothing.ts';
import { firstIndex } from '../shared/live/step-times.ts';
import type { Run } from './run.ts';
import { type AxisName, hasAxis, placeOf, stepsIn } from './x-axis.ts';
import type { Zoom } from './zoom.ts';

/** Values of a run of which the average is taken, as many as TensorBoard keeps: it is the same however much is in view. */
const SMOOTHED_POINTS = 1000;

export interface DrawOptions {
  readonly quantity: CurveQuantity;
  readonly test?: ((test: TestPoint) => number | null) | undefined;
  readonly validation?: ((test: TestPoint) => number | null) | undefined;
  readonly zoom: Zoom;
  readonly axis: AxisName;
  /** The weight of the average before each value, 0: no smoothing. */
  readonly smoothing: number;
  /** The approximate number of values to draw. */
  readonly points: number;
}

/** What a chart draws of a run: values by their places on the horizontal axis. */
export interface Drawn {
  readonly run: Run;
  readonly curve: Curve;
  readonly places: readonly number[];
  readonly smoothed: { readonly places: readonly number[]; readonly values: readonly Finite[] };
  readonly tests: {
    readonly places: readonly number[];
    readonly steps: readonly number[];
    readonly test: readonly Finite[];
    readonly validation: readonly Finite[];
  };
}

export function drawnOf(run: Run, options: DrawOptions): Drawn {
  const { quantity, test, validation, zoom, axis, smoothing, points } = options;
  const { isLogarithmic } = zoom;
  const isThere = hasAxis(run, axis);
  const placesOf = ({ steps }: Curve): number[] => steps.map((step) => placeOf(run, stepsAround(step).last, axis));
  const places = axis === 'step' ? ({ steps }: Curve): number[] => steps : placesOf;
  const view = isThere ? stepsIn(run, zoom.view, axis) : { from: 1, to: 0 };
  const curve = run.series.curve(quantity, { ...view, points, isLogarithmic });
  const whole = { from: 1, to: smoothing > 0 && isThere ? run.lastStep : 0, points: SMOOTHED_POINTS, isLogarithmic };
  const toSmooth = run.series.curve(quantity, whole);
  const tests = test === undefined || !isThere ? [] : run.tests;
  return {
    run,
    curve,
    places: places(curve),
    smoothed: { places: places(toSmooth), values: smooth(toSmooth.mean, smoothing) },
    tests: {
      places: tests.map(({ step }) => placeOf(run, step, axis)),
      steps: tests.map(({ step }) => step),
      test: tests.map((point) => test?.(point) ?? null),
      validation: tests.map((point) => validation?.(point) ?? null),
    },
  };
}

/** The table of all that is drawn, as uPlot has it. */
export function tableOf(drawn: readonly Drawn[]): uPlot.AlignedData {
  const tables = drawn.flatMap(({ places, curve: { mean, min, max }, smoothed, tests }) => [
    // Behind a smoothed curve there is no shade, and the axis isn't as long as one needs.
    smoothed.values.length > 0 ? [places, mean, mean, mean] : [places, mean, min, max],
    [tests.places, tests.test, tests.validation],
    [smoothed.places, smoothed.values],
  ]);
  return tables.length === 0 ? [[]] : uPlot.join(tables as uPlot.AlignedData[]);
}

/** The values of a run at a place: those that cover it, and the evaluation at or before it. */
export interface Reading {
  readonly first: number;
  readonly last: number;
  readonly mean: Finite;
  readonly min: Finite;
  readonly max: Finite;
  readonly smoothed: Finite | undefined;
  readonly tested: { readonly step: number; readonly test: Finite; readonly validation: Finite } | undefined;
}

/** @returns undefined before the first step of the run and after its last one */
export function readingAt(
  { run, curve, places, smoothed, tests }: Drawn,
  place: number,
  axis: AxisName,
): Reading | undefined {
  const isBehind = (i: number): boolean =>
    axis === 'step' ? stepsAround(curve.steps[i] as number).first > place : (places[i] as number) > place;
  const at = firstIndex(places.length, isBehind) - 1;
  const middle = curve.steps[at];
  if (middle === undefined) return undefined;
  const { first, last } = stepsAround(middle);
  if (at === places.length - 1 && place > (axis === 'step' ? last : (places[at] as number))) return undefined;
  const end = Math.min(last, run.lastStep);
  const tested = firstIndex(tests.steps.length, (i) => (tests.steps[i] as number) > end) - 1;
  const average = firstIndex(smoothed.places.length, (i) => (smoothed.places[i] as number) > place) - 1;
  return {
    first,
    last: end,
    mean: curve.mean[at] ?? null,
    min: curve.min[at] ?? null,
    max: curve.max[at] ?? null,
    smoothed: smoothed.values[Math.max(0, average)],
    tested:
      tests.steps[tested] === undefined
        ? undefined
        : {
            step: tests.steps[tested],
            test: tests.test[tested] ?? null,
            validation: tests.validation[tested] ?? null,
          },
  };
}
