import { count, percent } from '../../shared/util/figures.ts';
import type { ValueError } from '../scores/value-errors.ts';
import type { Column, TestSet } from './data.ts';
import { type Content, type Html, html } from './html.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { img, samplePicture } from './pictures.ts';
import { residualPanels, type Told } from './residuals.ts';
import { scoresTable, scoresText } from './scores.ts';
import { numberText, sampleNoun, sampleText, truthText } from './test-set.ts';
import { figure, r2Text } from './text.ts';

/** Outputs of which all are listed; of more, the first. */
const MAX_OUTPUTS = 50;
/** The first of the test set. */
const SAMPLES = 12;
/** Outputs of a sample among those of others. */
const MAX_BESIDE = 4;
/** CSS pixels. */
const WIDTH = 56;

const ERRORS =
  'MAE is the mean of the errors\u2019 magnitudes, RMSE the root of the mean of their squares, R² the share of the variance that is explained.';

/** What snapshots of models whose outputs are labels or numbers get right and wrong on the test set. */
export function numbersChapter(test: TestSet, columns: readonly Column[]): Html {
  return chapter(
    'test',
    `On the ${count(test.count)} test ${sampleNoun(test)}s`,
    ...outputPanels(columns, test),
    panel(`The first ${sampleNoun(test)}s`, firstSamples(columns, test)),
  );
}

function outputPanels(columns: readonly Column[], test: TestSet): Html[] {
  const told = columns.flatMap((column): Told[] => {
    return column.results.reading === 'values' ? [{ ...column, results: column.results }] : [];
  });
  if (told.length < columns.length) {
    const tables = sideBySide(columns, ({ results, title }) =>
      results.reading === 'labels' ? scoresTable({ results, title }, test) : undefined,
    );
    return [panel('Each label', tables, note(scoresText('labels')))];
  }
  const cut =
    test.classNames.length > MAX_OUTPUTS ? note(`The first ${MAX_OUTPUTS} of ${test.classNames.length}.`) : undefined;
  const tables = sideBySide(told, (_, i) => errorTable(told[i] as Told, test));
  return [panel('Each output', tables, note(ERRORS), cut), ...residualPanels(told, test)];
}

function errorTable({ results: { errors }, title }: Told, { classNames }: TestSet): Html {
  const row = (name: string, { mae, rmse, r2 }: ValueError): string[] => [name, figure(mae), figure(rmse), r2Text(r2)];
  const rows = classNames.slice(0, MAX_OUTPUTS).map((name, i) => row(name, errors.each[i] as ValueError));
  const all = classNames.length > 1 ? [row('all', errors)] : [];
  return table(`Errors after ${title}`, ['output', 'MAE', 'RMSE', 'R²'], [...rows, ...all]);
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly string[])[]): Html {
  const cells = (row: readonly string[], cell: (text: string, i: number) => Content): Content => row.map(cell);
  return html`<div class="scroll"><table class="outputs"><caption>${caption}</caption>
<tr>${cells(heads, (text, i) => html`<th scope="col"${i > 0 ? html` class="number"` : undefined}>${text}</th>`)}</tr>
${rows.map(
  (
    row,
  ) => html`<tr>${cells(row, (text, i) => (i === 0 ? html`<th scope="row">${text}</th>` : html`<td class="number">${text}</td>`))}</tr>
`,
)}</table></div>`;
}

function firstSamples(columns: readonly Column[], test: TestSet): Html {
  const indices = Array.from({ length: Math.min(SAMPLES, test.count) }, (_, i) => i);
  return html`<div class="scroll"><table class="same"><caption class="hidden">What each snapshot makes of the first samples</caption>
<tr><th scope="col">${sampleNoun(test)}</th><th scope="col">truth</th>${columns.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr>
${indices.map((index) => {
  const text = sampleText(test, index);
  return html`<tr><td>${img(samplePicture(test, index), text, WIDTH)}</td><th scope="row">${truthText(test, index)}</th>${columns.map((column) => html`<td>${saidText(column, test, index)}</td>`)}</tr>
`;
})}</table></div>`;
}

function saidText({ firsts: { outputs, probabilities } }: Column, test: TestSet, index: number): string {
  const { classNames } = test;
  const [first, end] = [index * classNames.length, (index + 1) * classNames.length];
  if (probabilities.length === 0) {
    const values = [...outputs.subarray(first, end)];
    return `${values
      .slice(0, MAX_BESIDE)
      .map((value) => numberText(test, value))
      .join(', ')}${values.length > MAX_BESIDE ? ', …' : ''}`;
  }
  const said = classNames.flatMap((name, i) =>
    (outputs[first + i] as number) > 0 ? [`${name} ${percent(probabilities[first + i] as number, 0)}`] : [],
  );
  return said.length === 0 ? 'no label' : said.join(', ');
}
