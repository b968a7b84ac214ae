// The curves of a report (src/report), which holds this script and their data: no server is behind it.

import { unpackSeries } from '../shared/live/packed-series.ts';
import { CURVES_ID, type ReportCurves } from '../shared/live/report-curves.ts';
import { percent } from '../shared/util/figures.ts';
import type { ChartOptions } from './chart.ts';
import { Charts } from './charts.ts';
import { figure } from './format.ts';
import { Run } from './run.ts';

/** The least accuracy of the close-up, and how accurate a run is that is worth one. */
const CLOSE_UP = 0.9;
const HIGH = 0.96;
const accuracy = { quantity: 'accuracy', format: (ratio: number) => percent(ratio, 1) } as const;

const runs = saved().map(runOf);
const high = runs.filter((run) => (run.recent('accuracy') ?? 0) > HIGH);
/** It begins with the close-up unless a run would lie below it. */
const closeUp = { label: 'from 90 %', least: CLOSE_UP, isOn: high.length === runs.length };

const CHARTS: readonly ChartOptions[] = [
  {
    ...accuracy,
    title: 'Accuracy, training and test',
    test: (point) => point.accuracy,
    ...(high.length > 0 && { closeUp }),
  },
  { title: 'Loss', quantity: 'loss', test: ({ loss }) => loss, format: figure, logarithmic: true },
  { ...accuracy, title: 'Training accuracy' },
  { title: 'Learning rate', quantity: 'learningRate', format: figure },
];

const charts = new Charts(document.getElementById('charts') as HTMLElement, CHARTS, () => charts.draw());
charts.show(runs);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.rebuild());
addEventListener('beforeprint', () => onPaper(true));
addEventListener('afterprint', () => onPaper(false));

function saved(): ReportCurves[] {
  return JSON.parse(document.getElementById(CURVES_ID)?.textContent ?? '[]');
}

function runOf({ series, ...curves }: ReportCurves): Run {
  const rest = { state: 'finished', started: 0, dataset: '', config: {}, digests: {} } as const;
  return new Run({ ...rest, ...curves, series: unpackSeries(series), checkpoints: [], happenings: [] });
}

/** Curves are drawn in a size and in colours that a style sheet for print doesn't reach. */
function onPaper(isPrinting: boolean): void {
  const { classList, dataset } = document.documentElement;
  classList.toggle('paper', isPrinting);
  if (isPrinting) dataset.theme = 'light';
  else delete dataset.theme;
  charts.rebuild();
}
