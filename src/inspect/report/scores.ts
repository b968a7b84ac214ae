import { count, percent } from '../../shared/util/figures.ts';
import { type Rates, type Score, worstFirst } from '../scores/class-scores.ts';
import type { ClassResults, Column, LabelResults, TestSet } from './data.ts';
import { type Html, html } from './html.ts';
import { numberedName } from './test-set.ts';

/** Classes or labels of which all are listed in their order; of more, the worst first. */
const MAX_ORDERED = 20;
/** The rows of a table, at most. */
const MAX_ROWS = 1000;

const NOUNS = { class: ['class', 'classes'], labels: ['label', 'labels'] } as const;

/** Precision, recall and F1 of each class, or of each label. */
export function scoresTable(
  { results, title }: Pick<Column, 'title'> & { readonly results: ClassResults | LabelResults },
  { classNames }: Pick<TestSet, 'classNames'>,
): Html {
  const { scores, reading, accuracy } = results;
  const [noun, nouns] = NOUNS[reading];
  const isOrdered = classNames.length <= MAX_ORDERED;
  const listed = isOrdered ? [...scores.each.keys()] : worstFirst(scores).slice(0, MAX_ROWS);
  const right = reading === 'class' ? 'right' : 'with all labels right';
  const order = isOrdered ? '' : `, the lowest F1 of ${count(classNames.length)} ${nouns} first`;
  const heads = ['samples', 'said', 'precision', 'recall', 'F1'];
  return html`<div class="scroll tall"${isOrdered ? undefined : html` tabindex="0"`}><table class="outputs scores"><caption>${percent(accuracy)} ${right} after ${title}${order}</caption>
<tr><th scope="col">${noun}</th>${heads.map((head) => html`<th scope="col" class="number">${head}</th>`)}</tr>
<tr class="mean"><th scope="row">mean</th><td></td><td></td>${rateCells(scores.macro)}</tr>
${listed.map((k) => scoreRow(isOrdered ? (classNames[k] as string) : numberedName(classNames, k), scores.each[k] as Score))}</table></div>`;
}

function scoreRow(name: string, score: Score): Html {
  const counts = [score.support, score.predicted].map((samples) => html`<td class="number">${count(samples)}</td>`);
  return html`<tr><th scope="row">${name}</th>${counts}${rateCells(score, score)}</tr>
`;
}

function rateCells({ precision, recall, f1 }: Rates, { predicted, support }: Partial<Score> = {}): Html {
  const cell = (rate: number, isMarked: boolean): Html =>
    html`<td class="number">${percent(rate, 1)}${isMarked ? html`<span class="mark">*</span>` : undefined}</td>`;
  return html`${cell(precision, predicted === 0)}${cell(recall, support === 0)}${cell(f1, false)}`;
}

/** What the columns of such tables mean. */
export function scoresText(reading: keyof typeof NOUNS): string {
  const [noun, nouns] = NOUNS[reading];
  return (
    `Precision is the share of the samples said to have a ${noun} that have it, recall the share of those that have it that were ` +
    `said to, F1 their harmonic mean. The mean is over the ${nouns} that any sample has or was said to have. ` +
    `* There is nothing to divide by: the ${noun} was never said, or no test sample has it. It counts as 0.`
  );
}
