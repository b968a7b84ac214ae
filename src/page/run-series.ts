import type { Run } from './run.ts';
import { colour, runColour, runDash } from './theme.ts';

/** Series of one run: mean, minimum, maximum, test, validation and smoothed mean. */
export const PER_RUN = 6;
/** Opacities as two hexadecimal digits: of the shade from minimum to maximum, alone and among many runs, and of means behind smoothed ones. */
const BAND_OPACITY = '33';
const THIN_BAND_OPACITY = '1a';
const FAINT_OPACITY = '4d';
/** Many runs. */
const MANY = 4;
/** Runs that are drawn with a value for each pixel, and shaded; of more, each has fewer values, and the shades would be one area. */
export const MAX_DETAILED = 24;

/** @param isSmoothed whether the smoothed means are drawn, over the others */
export function seriesOf({ look }: Run, isSmoothed: () => boolean): uPlot.Series[] {
  const stroke = (): string => runColour(look);
  const dash = [...runDash(look)];
  // A value that isn't finite is a gap; what joining the tables leaves out is none.
  const edge = { paths, stroke: 'transparent', width: 0, points: { show: false } };
  return [
    {
      paths,
      stroke: () => `${stroke()}${isSmoothed() ? FAINT_OPACITY : ''}`,
      width: 1.5,
      dash,
      points: { show: false },
    },
    edge,
    edge,
    {
      paths,
      stroke,
      width: 1,
      dash: [4, 4],
      points: { show: true, size: 7, width: 2, fill: () => colour('panel') },
      spanGaps: true,
    },
    {
      paths,
      stroke,
      width: 1,
      dash: [1, 3],
      points: { show: true, size: 5, fill: stroke },
      spanGaps: true,
    },
    { paths, stroke, width: 2, dash, points: { show: false } },
  ];
}

/** Whether a series of a plot, of which the first is the axis, is the mean of a run or the smoothed one. */
export function isMean(series: number): boolean {
  return [1, 0].includes(series % PER_RUN);
}

/** The colour of a series. */
export function strokeOf(plot: uPlot, series: number): string {
  const stroke = plot.series[series]?.stroke;
  return String(typeof stroke === 'function' ? stroke(plot, series) : stroke);
}

/** Lines between the values; where there are none, uPlot's own have places that are no numbers. */
const paths: uPlot.Series.PathBuilder = (plot, series, first, last) => {
  const hasValue = plot.data[series]?.some((value) => typeof value === 'number') ?? false;
  return hasValue ? (lines?.(plot, series, first, last) ?? null) : null;
};
const lines = uPlot.paths.linear?.();

export function bandsOf(runs: readonly Run[]): uPlot.Band[] {
  if (runs.length > MAX_DETAILED) return [];
  const opacity = runs.length >= MANY ? THIN_BAND_OPACITY : BAND_OPACITY;
  return runs.map(({ look }, index) => ({
    series: [PER_RUN * index + 3, PER_RUN * index + 2],
    fill: () => `${runColour(look)}${opacity}`,
  }));
}
