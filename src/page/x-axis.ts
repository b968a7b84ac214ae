// What the charts' horizontal axis shows.
import type { StepSeries } from '../shared/live/series.ts';
import { count } from '../shared/util/figures.ts';
import { duration } from './format.ts';
import { roundSteps, WHOLE_STEPS } from './ticks.ts';
import type { View } from './zoom.ts';

/** Steps, seconds of training, or the time of day. */
export const AXES = ['step', 'elapsed', 'wall'] as const;
export type AxisName = (typeof AXES)[number];

export const AXIS_TEXTS: Readonly<Record<AxisName, string>> = {
  step: 'the steps',
  elapsed: 'elapsed time',
  wall: 'time of day',
};

/** The shortest range that zooming shows: steps, or seconds. */
export const LEAST: Readonly<Record<AxisName, number>> = { step: 10, elapsed: 0.05, wall: 0.05 };

/** Places on the axis of wall time are seconds of the clock on the wall, so that round ones are those of people. */
const ZONE_SECONDS = 60 * new Date().getTimezoneOffset();

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Distances between two labels of an axis of seconds. */
const SECONDS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * MINUTE),
  ...[1, 2, 3, 6, 12].map((hours) => hours * HOUR),
  ...[1, 2, 7, 14, 30, 60, 120, 365].map((days) => days * DAY),
];

/** A run of which an axis is asked. */
interface Placed {
  readonly series: StepSeries;
  readonly lastStep: number;
}

export function hasAxis({ series }: Placed, axis: AxisName): boolean {
  return axis === 'step' || series.has(axis);
}

/** Where a step is on the axis, which the run must have. */
export function placeOf({ series }: Placed, step: number, axis: AxisName): number {
  if (axis === 'step') return step;
  const time = series.timeOf(step, axis);
  return axis === 'wall' ? time / 1000 - ZONE_SECONDS : time;
}

/** The steps of a run that are in view. */
export function stepsIn({ series }: Placed, { from, to }: View, axis: AxisName): View {
  if (axis === 'step') return { from, to };
  const [begin, end] = [from, to].map((place) => (axis === 'wall' ? 1000 * (place + ZONE_SECONDS) : place));
  return { from: series.stepsAt(begin as number, axis).first, to: series.stepsAt(end as number, axis).last };
}

/** The range of all steps of runs. */
export function wholeOf(runs: readonly Placed[], axis: AxisName): View {
  const placed = runs.filter((run) => run.lastStep > 0 && hasAxis(run, axis));
  if (placed.length === 0) return { from: 1, to: 1 };
  const first = axis === 'wall' ? Math.min(...placed.map((run) => placeOf(run, 1, axis))) : Number(axis === 'step');
  return { from: first, to: Math.max(first, ...placed.map((run) => placeOf(run, run.lastStep, axis))) };
}

/** A place of a time axis in words. */
export function placeText(place: number, axis: AxisName): string {
  if (axis === 'elapsed') return `after ${duration(place)}`;
  return `${dayOf(place)} ${timeOf(place, 1)}`;
}

/** The options of uPlot for an axis. */
export function axisOptions(axis: AxisName, isLogarithmic: boolean): Partial<uPlot.Axis> {
  if (axis === 'step') {
    return {
      label: 'step',
      space: 60,
      incrs: WHOLE_STEPS,
      ...(isLogarithmic && { splits: (_plot, _axis, from, to, increment) => roundSteps(from, to, increment) }),
      // On a logarithmic axis, uPlot has null for those without room.
      values: (_plot, steps) => steps.map((step: number | null) => (step === null ? '' : count(step))),
    };
  }
  return {
    label: AXIS_TEXTS[axis],
    space: 90,
    incrs: SECONDS,
    values: (_plot, places, _axis, _space, increment) =>
      axis === 'elapsed'
        ? places.map((place) => (place === 0 ? '0' : duration(place)))
        : places.map((place, i) => wallText(place, places[i - 1], increment)),
  };
}

/** A label of the time of day, with the date where it differs from that of the label before. */
function wallText(place: number, before: number | undefined, increment: number): string {
  if (increment >= DAY) return dayOf(place);
  const isNewDay = before !== undefined && dayOf(place) !== dayOf(before);
  return `${isNewDay ? `${dayOf(place).slice(5)} ` : ''}${timeOf(place, increment)}`;
}

function dayOf(place: number): string {
  return iso(place).slice(0, 10);
}

function timeOf(place: number, increment: number): string {
  return iso(place).slice(11, increment >= MINUTE ? 16 : increment >= 1 ? 19 : 23);
}

function iso(place: number): string {
  return new Date(1000 * place).toISOString();
}
