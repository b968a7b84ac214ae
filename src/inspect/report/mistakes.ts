import { headOf } from '../../shared/model/kinds.ts';
import { count, percent } from '../../shared/util/figures.ts';
import { FIRSTS, marginOf } from './columns.ts';
import { confusionPanels } from './confusion.ts';
import type { Column, Mistake, ReportData, TestSet, Tried } from './data.ts';
import { type Html, html } from './html.ts';
import { numbersChapter } from './numbers.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { img, samplePicture } from './pictures.ts';
import { scoresTable, scoresText } from './scores.ts';
import { sampleNoun, sampleText } from './test-set.ts';
import { figure } from './text.ts';

/** Shown of each snapshot; the rest is counted. */
export const MAX_MISTAKES = 48;
/** CSS pixels. */
const WIDTH = 56;

/** What stands below a mistake, by which they are in order. */
const ORDERS = {
  logits: 'Below each: the probability of the guess, and by how much its logit is above that of the truth.',
  distances:
    'Below each: the squared distance from the target of the guess, against that from the target of the truth.',
};

/** What the snapshots get right and wrong on the test set. */
export function testChapter(data: ReportData, columns: readonly Column[]): Html {
  const { test } = data;
  const tried = columns.flatMap((column): Tried[] => {
    return column.results.reading === 'class' ? [{ ...column, results: column.results }] : [];
  });
  if (tried.length < columns.length) return numbersChapter(test, columns);
  const noun = sampleNoun(test);
  return chapter(
    'test',
    `On the ${count(test.count)} test ${noun}s`,
    ...confusionPanels(tried, test),
    panel(
      'Each class',
      sideBySide(columns, (_, i) => scoresTable(tried[i] as Tried, test)),
      note(scoresText('class')),
    ),
    panel(
      'Taken for another class, the worst first',
      sideBySide(columns, (_, i) => mistakesList(tried[i] as Tried, test)),
    ),
    panel(`The same ${noun}s`, agreement(tried, test), sameSamples(tried, test)),
  );
}

function mistakesList({ results: { mistakes }, title, layout }: Tried, test: TestSet): Html {
  const { classNames: names } = test;
  const shown = mistakes.slice(0, MAX_MISTAKES);
  const cut = shown.length < mistakes.length ? `; the ${shown.length} worst are shown` : '';
  const { isDistance } = headOf(layout.spec.head);
  return html`<p class="note" data-mistakes="${mistakes.length}">${count(mistakes.length)} wrong of ${count(test.count)}${cut}. ${ORDERS[isDistance ? 'distances' : 'logits']}</p>
<ul class="mistakes" aria-label="Mistakes after ${title}">${shown.map(
    (
      mistake,
    ) => html`<li>${thumbnail(test, mistake.index)}<span>is ${names[mistake.truth]}, said ${names[mistake.guess]}</span><span class="note">${certainty(mistake, isDistance)}</span></li>
`,
  )}</ul>`;
}

/** How sure a guess is; with distances almost every probability is 1. */
function certainty(mistake: Mistake, isDistance: boolean): string {
  if (!isDistance) return `${percent(mistake.confidence, 1)}, by ${figure(marginOf(mistake))}`;
  const [guess, truth] = mistake.outputs.map((value) => figure(value));
  return `${guess} against ${truth}`;
}

function thumbnail(test: TestSet, index: number): Html {
  return img(samplePicture(test, index), sampleText(test, index), WIDTH);
}

/** How many samples only one of two snapshots gets right. */
function agreement(columns: readonly Tried[], { targets }: TestSet): Html | undefined {
  const [first, last] = [columns[0], columns.at(-1)];
  if (first === undefined || last === undefined || first === last) return undefined;
  const counts = { both: 0, first: 0, last: 0, none: 0 };
  for (const [i, truth] of (targets as Uint16Array).entries()) {
    const [a, b] = [first, last].map(({ predictions }) => predictions[i] === truth);
    counts[a && b ? 'both' : a ? 'first' : b ? 'last' : 'none']++;
  }
  return html`<p>Right after both ${first.title} and ${last.title}: ${count(counts.both)}. Only after ${last.title}: ${count(counts.last)}.
Only after ${first.title}: ${count(counts.first)}. After neither: ${count(counts.none)}.</p>`;
}

/** Two halves, side by side if there is room. */
function sameSamples(columns: readonly Tried[], test: TestSet): Html {
  const indices = Array.from({ length: Math.min(FIRSTS, test.count) }, (_, i) => i);
  const half = Math.ceil(indices.length / 2);
  const tables = [indices.slice(0, half), indices.slice(half)].map((part) => sameTable(columns, test, part));
  return html`<div class="sides">${tables}</div>
${note(`The first ${indices.length} of the test set, each with the probability of what it is taken for.`)}`;
}

function sameTable(columns: readonly Tried[], test: TestSet, indices: readonly number[]): Html {
  return html`<div class="scroll side"><table class="same"><caption class="hidden">What each snapshot takes the test ${sampleNoun(test)}s ${indices[0]} to ${indices.at(-1)} for</caption>
<tr><th scope="col">${sampleNoun(test)}</th><th scope="col">truth</th>${columns.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr>
${indices.map(
  (
    index,
  ) => html`<tr><td>${thumbnail(test, index)}</td><th scope="row">${test.classNames[test.targets[index] as number]}</th>${columns.map((column) => guessCell(column, index, test))}</tr>
`,
)}</table></div>`;
}

function guessCell({ firsts: { predictions, probabilities } }: Tried, index: number, test: TestSet): Html {
  const [guess, truth] = [predictions[index] as number, test.targets[index] as number];
  const confidence = probabilities[index * (probabilities.length / predictions.length) + guess] as number;
  const isWrong = guess !== truth;
  return html`<td${isWrong ? html` class="wrong"` : undefined}>${test.classNames[guess]} <span class="note">${percent(confidence, 1)}${isWrong ? ', wrong' : ''}</span></td>`;
}
