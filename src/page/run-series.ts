import { colour, runColour } from './theme.ts';

/** Series of one run: mean, minimum, maximum, test and validation. */
export const PER_RUN = 5;
/** Opacity of the shaded range from minimum to maximum, as two hexadecimal digits. */
const BAND_OPACITY = '33';

export function seriesOf(index: number): uPlot.Series[] {
  const stroke = (): string => runColour(index);
  // A value that isn't finite is a gap; what joining the tables leaves out is none.
  const edge = { paths, stroke: 'transparent', width: 0, points: { show: false } };
  return [
    { paths, stroke, width: 1.5, points: { show: false } },
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
  ];
}

/** Lines between the values; where there are none, uPlot's own have places that are no numbers. */
const paths: uPlot.Series.PathBuilder = (plot, series, first, last) => {
  const hasValue = plot.data[series]?.some((value) => typeof value === 'number') ?? false;
  return hasValue ? (lines?.(plot, series, first, last) ?? null) : null;
};
const lines = uPlot.paths.linear?.();

export function bandOf(index: number): uPlot.Band {
  return {
    series: [PER_RUN * index + 3, PER_RUN * index + 2],
    fill: () => `${runColour(index)}${BAND_OPACITY}`,
  };
}
