import { headOf } from '../../shared/model/kinds.ts';
import { count, percent } from '../../shared/util/figures.ts';
import { imageOf, marginOf } from './columns.ts';
import type { Column, Mistake, ReportData, TestSet } from './data.ts';
import { BYTE_SCALE } from './digit.ts';
import { type Html, html } from './html.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { img, mapsOf } from './pictures.ts';
import { figure } from './text.ts';

/** Shown of each snapshot; the rest is counted. */
export const MAX_MISTAKES = 48;
/** The first of the test set. */
const COMPARED = 20;
/** CSS pixels. */
const WIDTH = 56;

/** What stands below a mistake, by which they are in order. */
const ORDERS = {
  logits: 'Below each: the probability of the guess, and by how much its logit is above that of the truth.',
  distances:
    'Below each: the squared distance from the target of the guess, against that from the target of the truth.',
};

/** What the snapshots get right and wrong on the test set. */
export function testChapter({ test }: ReportData, columns: readonly Column[]): Html {
  return chapter(
    'test',
    `On the ${count(test.labels.length)} test images`,
    panel('Confusion matrix: rows are the truth, columns the guess', sideBySide(columns, confusionTable)),
    panel(
      'Taken for another digit, the worst first',
      sideBySide(columns, (column) => mistakesList(column, test)),
    ),
    panel('The same images', agreement(columns, test), sameImages(columns, test)),
  );
}

function confusionTable({ confusion, title, accuracy }: Column): Html {
  return html`<div class="scroll"><table class="confusion"><caption>${percent(accuracy)} right after ${title}</caption>
<tr><th scope="col"><span class="hidden">truth</span></th>${confusion.map((_, guess) => html`<th scope="col">${guess}</th>`)}</tr>
${confusion.map(
  (row, truth) => html`<tr><th scope="row">${truth}</th>${row.map(
    (images, guess) => html`<td data-level="${truth === guess ? 'right' : levelOf(images)}">${images}</td>`,
  )}</tr>
`,
)}</table></div>`;
}

/** How dark a number of wrong images is, 0 to 4. */
function levelOf(images: number): number {
  return [1, 4, 12, 36].filter((least) => images >= least).length;
}

function mistakesList({ mistakes, title, layout }: Column, test: TestSet): Html {
  const shown = mistakes.slice(0, MAX_MISTAKES);
  const cut = shown.length < mistakes.length ? `; the ${shown.length} worst are shown` : '';
  const { isDistance } = headOf(layout.spec.head);
  return html`<p class="note" data-mistakes="${mistakes.length}">${count(mistakes.length)} wrong of ${count(test.labels.length)}${cut}. ${ORDERS[isDistance ? 'distances' : 'logits']}</p>
<ul class="mistakes" aria-label="Mistakes after ${title}">${shown.map(
    (
      mistake,
    ) => html`<li>${thumbnail(test, mistake.index)}<span>is ${mistake.truth}, said ${mistake.guess}</span><span class="note">${certainty(mistake, isDistance)}</span></li>
`,
  )}</ul>`;
}

/** How sure a guess is; with distances almost every probability is 1. */
function certainty(mistake: Mistake, isDistance: boolean): string {
  if (!isDistance) return `${percent(mistake.confidence, 1)}, by ${figure(marginOf(mistake))}`;
  const [guess, truth] = mistake.outputs.map(figure);
  return `${guess} against ${truth}`;
}

function thumbnail(test: TestSet, index: number): Html {
  const shape = { maps: 1, height: test.height, width: test.width };
  return img(
    mapsOf(imageOf(test, index), shape, BYTE_SCALE),
    `Test image ${index}, a ${test.labels[index] as number}`,
    WIDTH,
  );
}

/** How many images only one of two snapshots gets right. */
function agreement(columns: readonly Column[], { labels }: TestSet): Html | undefined {
  const [first, last] = [columns[0], columns.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const counts = { both: 0, first: 0, last: 0, none: 0 };
  for (const [i, truth] of labels.entries()) {
    const [a, b] = [first, last].map(({ classified }) => classified.predictions[i] === truth);
    counts[a && b ? 'both' : a ? 'first' : b ? 'last' : 'none']++;
  }
  return html`<p>Right after both ${first.title} and ${last.title}: ${count(counts.both)}. Only after ${last.title}: ${count(counts.last)}.
Only after ${first.title}: ${count(counts.first)}. After neither: ${count(counts.none)}.</p>`;
}

/** Two halves, side by side if there is room. */
function sameImages(columns: readonly Column[], test: TestSet): Html {
  const indices = Array.from({ length: Math.min(COMPARED, test.labels.length) }, (_, i) => i);
  const half = Math.ceil(indices.length / 2);
  const tables = [indices.slice(0, half), indices.slice(half)].map((part) => sameTable(columns, test, part));
  return html`<div class="sides">${tables}</div>
${note(`The first ${indices.length} of the test set, each with the probability of what it is taken for.`)}`;
}

function sameTable(columns: readonly Column[], test: TestSet, indices: readonly number[]): Html {
  return html`<div class="scroll side"><table class="same"><caption class="hidden">What each snapshot takes the test images ${indices[0]} to ${indices.at(-1)} for</caption>
<tr><th scope="col">image</th><th scope="col">truth</th>${columns.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr>
${indices.map(
  (
    index,
  ) => html`<tr><td>${thumbnail(test, index)}</td><th scope="row">${test.labels[index]}</th>${columns.map((column) => guessCell(column, index, test.labels[index] as number))}</tr>
`,
)}</table></div>`;
}

function guessCell({ classified: { predictions, probabilities } }: Column, index: number, truth: number): Html {
  const guess = predictions[index] as number;
  const confidence = probabilities[index * (probabilities.length / predictions.length) + guess] as number;
  const isWrong = guess !== truth;
  return html`<td${isWrong ? html` class="wrong"` : undefined}>${guess} <span class="note">${percent(confidence, 1)}${isWrong ? ', wrong' : ''}</span></td>`;
}
