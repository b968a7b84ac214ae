import { confusionOf } from '../../shared/engine/evaluation.ts';
import { count, percent } from '../../shared/util/figures.ts';
import type { Picture } from '../activations/map-picture.ts';
import type { TestSet, Tried } from './data.ts';
import { type Html, html } from './html.ts';
import { note, panel, sideBySide } from './parts.ts';
import { colourBar, dataUri, mapsOf } from './pictures.ts';
import { numberedName } from './test-set.ts';

/** Of more classes than this no matrix of numbers can be read: they have a picture, and their most frequent confusions are listed. */
const MAX_CLASSES = 20;
/** Of so many columns, all fit a narrow place. */
const NARROW = 10;
/** Characters of a name above its column. */
const MAX_HEADING = 3;
const MAX_PAIRS = 30;
/** Wrong samples of a pair, at least, for each level of colour. */
const DARKEST = 36;
const LEVELS = [1, 4, 12, DARKEST];

/** Cells of the picture's side, at most; of more classes, each cell is of several. */
const MAX_CELLS = 250;
/** SVG units of the picture's side, and of the numbers beside it. */
const SIDE = 320;
const MARGIN = 40;
/** The colour of a share is that of its square root: otherwise rare confusions are as dark as none. */
const SCALE = { kind: 'sequential', max: 1 } as const;

/** What is taken for what: a matrix of numbers, or of many classes its picture and the most frequent confusions. */
export function confusionPanels(tried: readonly Tried[], test: TestSet): Html[] {
  const classes = test.classNames.length;
  if (classes <= MAX_CLASSES) {
    const tables = sideBySide(tried, (_, i) => confusionTable(tried[i] as Tried, test));
    return [panel('Confusion matrix: rows are the truth, columns the guess', tables)];
  }
  const step = Math.ceil(classes / MAX_CELLS);
  const cells = step > 1 ? ` A cell is of ${step} by ${step} classes, and has the largest of their shares.` : '';
  return [
    panel(
      'Confusion matrix: rows are the truth, columns the guess',
      sideBySide(tried, (_, i) => confusionPicture(tried[i] as Tried, test, step)),
      colourBar(SCALE, ['0 %', '100 %']),
      note(
        `Classes by their numbers, from 0 to ${classes - 1}. The colour is the share of a row's samples, by its square root so that rare confusions are seen.`,
        cells,
      ),
    ),
    panel(
      'What is confused most',
      sideBySide(tried, (_, i) => pairsTable(tried[i] as Tried, test)),
    ),
  ];
}

function confusionTable({ predictions, results: { accuracy }, title }: Tried, { classNames, targets }: TestSet): Html {
  const confusion = confusionOf(targets as Uint16Array, predictions, classNames.length);
  // Long names stand beside the rows alone, with the columns' numbers.
  const isShort = classNames.every(({ length }) => length <= MAX_HEADING);
  const headings = isShort ? classNames : classNames.map((_, i) => String(i));
  const rows = isShort ? classNames : classNames.map((name, i) => `${i} ${name}`);
  const most = Math.max(...confusion.flatMap((row, truth) => row.filter((_, guess) => guess !== truth)));
  const kind = `confusion${classNames.length > NARROW ? ' many' : ''}${isShort ? '' : ' named'}`;
  return html`<div class="scroll"><table class="${kind}"><caption>${percent(accuracy)} right after ${title}</caption>
<tr><th scope="col"><span class="hidden">truth</span></th>${headings.map((name) => html`<th scope="col">${name}</th>`)}</tr>
${confusion.map(
  (row, truth) => html`<tr><th scope="row">${rows[truth]}</th>${row.map(
    (samples, guess) => html`<td data-level="${truth === guess ? 'right' : levelOf(samples, most)}">${samples}</td>`,
  )}</tr>
`,
)}</table></div>`;
}

/** How dark a number of wrong samples is, 0 to 4; beside many of them, few are lighter. @param most wrong ones of a pair */
function levelOf(samples: number, most: number): number {
  return LEVELS.filter((least) => samples >= least * Math.max(1, most / (2 * DARKEST))).length;
}

function confusionPicture(tried: Tried, { classNames }: TestSet, step: number): Html {
  const classes = classNames.length;
  const picture = cellsOf(tried, classes, step);
  const alt = `Confusion matrix of ${classes} classes after ${tried.title}, ${percent(tried.results.accuracy)} right; the most frequent confusions are listed below`;
  const side = SIDE / (Math.ceil(classes / step) * step);
  const ticks = ticksOf(classes).map((k) => {
    const at = MARGIN + (k + 0.5) * side;
    return html`<text x="${at.toFixed(1)}" y="${MARGIN - 8}">${k}</text><text class="end" x="${MARGIN - 6}" y="${(at + 4).toFixed(1)}">${k}</text>`;
  });
  return html`<svg class="heat" viewBox="0 0 ${MARGIN + SIDE} ${MARGIN + SIDE}" width="${1.4 * (MARGIN + SIDE)}" role="img" aria-label="${alt}">${ticks}<text x="${MARGIN + SIDE / 2}" y="12">guess</text><text transform="translate(10 ${MARGIN + SIDE / 2}) rotate(-90)">truth</text>
<image href="${dataUri(picture)}" x="${MARGIN}" y="${MARGIN}" width="${SIDE}" height="${SIDE}" preserveAspectRatio="none"/><rect class="axes" x="${MARGIN}" y="${MARGIN}" width="${SIDE}" height="${SIDE}"/></svg>`;
}

/** A cell for so many classes: the largest share of a class's samples that were taken for one. */
function cellsOf({ results: { scores, pairs } }: Tried, classes: number, step: number): Picture {
  const side = Math.ceil(classes / step);
  const shares = new Float32Array(side * side);
  const add = (truth: number, guess: number, share: number): void => {
    const cell = Math.floor(truth / step) * side + Math.floor(guess / step);
    shares[cell] = Math.max(shares[cell] as number, Math.sqrt(share));
  };
  for (const [k, { recall }] of scores.each.entries()) add(k, k, recall);
  for (const { truth, guess, samples } of pairs) add(truth, guess, samples / (scores.each[truth]?.support as number));
  return mapsOf(shares, { maps: 1, height: side, width: side }, SCALE);
}

/** About five round numbers of classes. */
function ticksOf(classes: number): number[] {
  const magnitude = 10 ** Math.floor(Math.log10(classes / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((each) => classes / each <= 6) as number;
  return Array.from({ length: Math.ceil(classes / step) }, (_, i) => i * step);
}

function pairsTable({ results: { scores, pairs, accuracy }, title }: Tried, { classNames }: TestSet): Html {
  const shown = pairs.slice(0, MAX_PAIRS);
  return html`<div class="scroll"><table class="pairs"><caption>${percent(accuracy)} right after ${title}</caption>
<tr><th scope="col">is</th><th scope="col">said</th><th scope="col" class="number">times</th><th scope="col" class="number">of its class</th></tr>
${shown.map(
  ({ truth, guess, samples }) =>
    html`<tr><th scope="row">${numberedName(classNames, truth)}</th><td>${numberedName(classNames, guess)}</td><td class="number">${count(samples)}</td><td class="number">${percent(samples / (scores.each[truth]?.support as number), 1)}</td></tr>
`,
)}</table></div>${note(`The first ${shown.length} of ${count(pairs.length)} pairs of different classes.`)}`;
}
