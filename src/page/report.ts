// The curves of a report (src/inspect/report). The report contains this script and its data, without a server.

import { unpackSeries } from '../shared/live/packed-series.ts';
import { CURVES_ID, REPORT_QUANTITIES, type ReportCurves } from '../shared/live/report-curves.ts';
import type { Quantity } from '../shared/live/step-scalars.ts';
import type { ChartOptions } from './chart.ts';
import { Charts } from './charts.ts';
import { Run } from './run.ts';
import { chartOf } from './scalar-charts.ts';

/** A run that ends with a higher accuracy than this is worth a close-up. */
const HIGH = 0.96;

const runs = saved().map(runOf);
/** The close-up is on at first unless a run would lie below it. */
const high = runs.filter((run) => (run.recent('accuracy') ?? 0) > HIGH);
const charts = new Charts(document.getElementById('charts') as HTMLElement, chartsOf(), () => charts.draw());
charts.show(runs);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts.rebuild());
addEventListener('beforeprint', () => onPaper(true));
addEventListener('afterprint', () => onPaper(false));

/** Accuracy and loss first; the accuracy once more without the tests; then the other curves. */
function chartsOf(): ChartOptions[] {
  const { closeUp, test, validation, ...accuracy } = fullChart('accuracy');
  const others = REPORT_QUANTITIES.filter((quantity) => quantity !== 'accuracy' && quantity !== 'loss');
  return [
    {
      ...accuracy,
      title: 'Accuracy, training and test',
      test,
      validation,
      closeUp: high.length > 0 ? closeUp : undefined,
      isWholeAtFirst: high.length < runs.length,
    },
    fullChart('loss'),
    { ...accuracy, title: 'Training accuracy' },
    ...others.map(fullChart),
  ];
}

function fullChart(quantity: Quantity): ChartOptions {
  return { ...chartOf(quantity), height: 1 };
}

function saved(): ReportCurves[] {
  return JSON.parse(document.getElementById(CURVES_ID)?.textContent ?? '[]');
}

function runOf({ series, ...curves }: ReportCurves, index: number): Run {
  const rest = { state: 'finished', started: 0, config: {}, digests: {} } as const;
  return new Run({ ...rest, ...curves, series: unpackSeries(series), checkpoints: [], happenings: [] }, index);
}

/** Draws for print: a style sheet can't change the size and the colours of a canvas. */
function onPaper(isPrinting: boolean): void {
  const { classList, dataset } = document.documentElement;
  classList.toggle('paper', isPrinting);
  if (isPrinting) dataset.theme = 'light';
  else delete dataset.theme;
  charts.rebuild();
}
