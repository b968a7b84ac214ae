import { createHash } from 'node:crypto';
import type { OutputKind } from '../../coordinator/run/output.ts';
import { CURVES_ID, type ReportCurves } from '../../shared/live/report-curves.ts';
import { count, percent } from '../../shared/util/figures.ts';
import { reportScript, reportStyle } from './assets.ts';
import { columnsOf } from './columns.ts';
import type { Column, ReportData, Results, TestSet } from './data.ts';
import { traceChapter } from './forward-trace.ts';
import { Html, html } from './html.ts';
import { layersChapter } from './layers.ts';
import { testChapter } from './mistakes.ts';
import { networkChapter } from './network.ts';
import { chapter, note } from './parts.ts';
import { runsChapter } from './run-facts.ts';
import { sampleChapter } from './sample.ts';
import { sampleNoun } from './test-set.ts';
import { figure, r2Text } from './text.ts';
import { weightsChapter } from './weights.ts';

const CHAPTERS = [
  ['curves', 'Curves'],
  ['sample', 'Sample'],
  ['way', 'Way'],
  ['maps', 'Layers'],
  ['weights', 'Weights'],
  ['test', 'Test set'],
  ['network', 'Network'],
  ['runs', 'Run'],
] as const;

/** What a report of ours has that other files don't. */
const [BEGINNING, TITLE_END] = ['<!doctype html>', ' · Lockstep report</title>'];

export interface Report {
  /** One file, whole: it asks for nothing. */
  readonly page: string;
  readonly columns: readonly Column[];
}

/** A report, by which an earlier one is known. */
export const REPORT_KIND: OutputKind = {
  title: 'a report of Lockstep',
  isOwn: (ends) => ends.indexOf(BEGINNING) === 0 && ends.includes(TITLE_END),
};

/** The report of one or several runs. At least one snapshot. */
export function reportOf(data: ReportData): Report {
  const columns = columnsOf(data);
  const [style, script] = [reportStyle(), reportScript()];
  const policy = `default-src 'none'; img-src data:; style-src '${hashOf(style)}'; script-src '${hashOf(script)}'; base-uri 'none'; form-action 'none'`;
  const title = data.runs.map(({ name }) => name).join(', ');
  const page = html`${new Html(BEGINNING)}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}${new Html(TITLE_END)}
<style>${new Html(style)}</style>
</head>
<body class="report">
<header><h1><span class="product">Lockstep</span> ${title}</h1>
<nav aria-label="Chapters">${CHAPTERS.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</nav></header>
<main>
${data.warnings.map((warning) => html`<p class="warning" role="note">${warning}</p>`)}
${tiles(data, columns)}
${body(data, columns)}
${note(`Written by Lockstep ${data.version} from the run's checkpoints and log.`)}
</main>
<script type="application/json" id="${CURVES_ID}">${curvesJson(data, columns)}</script>
<script>${new Html(script)}</script>
</body>
</html>
`;
  return { page: page.markup, columns };
}

function body(data: ReportData, columns: readonly Column[]): Html[] {
  return [
    curvesChapter(data),
    sampleChapter(data, columns),
    traceChapter(columns, data.test, data.image),
    layersChapter(data, columns),
    weightsChapter(columns),
    testChapter(data, columns),
    networkChapter(columns.map(({ layout }) => layout)),
    runsChapter(data.runs, columns),
  ];
}

function tiles({ runs, test }: ReportData, columns: readonly Column[]): Html {
  return html`<div class="tiles">${columns.map(
    ({ title, results, run }) => html`<section class="tile"><h2>${title}</h2>
<p class="figure">${figureOf(results)}</p>
<p class="note">${meaningOf(results, test)}; run ${runs[run]?.state}</p></section>
`,
  )}</div>`;
}

function figureOf(results: Results): string {
  return results.reading === 'values' ? figure(results.errors.rmse) : percent(results.accuracy);
}

function meaningOf(results: Results, test: TestSet): string {
  const samples = `${count(test.count)} ${test.name.toUpperCase()} test ${sampleNoun(test)}s`;
  if (results.reading === 'class') return `of ${samples} right, ${count(results.mistakes.length)} wrong`;
  if (results.reading === 'labels') return `of ${samples} with all labels right`;
  return `root of the mean squared error over ${samples}; R² ${r2Text(results.errors.r2)}`;
}

function curvesChapter({ runs }: ReportData): Html {
  const key =
    runs.length === 1
      ? undefined
      : html`<ul class="key">${runs.map(({ name }, i) => html`<li data-run="${i}">${name}</li>`)}</ul>`;
  return chapter(
    'curves',
    'Curves',
    key,
    html`<div class="charts" id="charts"></div>
<noscript><p>The curves are drawn by the page's own script, which this browser doesn't run.</p></noscript>`,
    html`<p class="note help">Drag along a curve, by mouse or finger, to zoom all of them; double-click or tap twice for the whole run. With a curve in focus: <kbd>+</kbd> <kbd>−</kbd> <kbd>←</kbd> <kbd>→</kbd> <kbd>0</kbd>.</p>`,
  );
}

function curvesJson({ runs, test }: ReportData, columns: readonly Column[]): Html {
  const curves = runs.map((run, i) => {
    const own = run.dataset === test.name ? columns.filter((column) => column.run === i) : [];
    return withSnapshots(run.curves, own);
  });
  // The one character that could end the element.
  return new Html(JSON.stringify(curves).replaceAll('<', '\\u003c'));
}

/** A run may end between two tests: what its snapshots reach on the test set is drawn as well. */
function withSnapshots(curves: ReportCurves, columns: readonly Column[]): ReportCurves {
  const tested = new Set(curves.tests.map(({ step }) => step));
  const more = columns.flatMap(({ step, results }) => {
    return tested.has(step) || results.reading === 'values'
      ? []
      : [{ step, accuracy: results.accuracy, r2: null, loss: null }];
  });
  const tests = [...curves.tests, ...more];
  return { ...curves, tests: tests.sort((a, b) => a.step - b.step) };
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
