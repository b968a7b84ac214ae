import { isVector } from '../../shared/model/shape.ts';
import { percent } from '../../shared/util/figures.ts';
import { inputScale, isColour } from '../activations/input-picture.ts';
import type { Column, ReportData, TestSet } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { colourBar, img, samplePicture } from './pictures.ts';
import { numberText, sampleNoun, sampleOf, sampleText } from './test-set.ts';

const WIDTH = 280;
/** Classes, labels or numbers of which all are listed; of more, the first by their ranking. */
export const MAX_LISTED = 12;

/** The chosen sample, and what each snapshot takes it for. */
export function sampleChapter({ test, image }: ReportData, columns: readonly Column[]): Html {
  const { maps, height, width } = test.shape;
  const values = sampleOf(test, image);
  const [title, noun] = [sampleText(test, image), sampleNoun(test)];
  const colours = isColour(test.shape) ? 'in colour' : 'from 0, black, to its largest value, yellow';
  const size = isVector(test.shape) ? `${maps} values` : `${width}×${height} pixels`;
  const alt = `${title}. ${size} ${colours}`;
  const bar = isColour(test.shape) ? undefined : colourBar(inputScale(values));
  return chapter(
    'sample',
    `The ${noun}`,
    html`<div class="sample">${panel(title, img(samplePicture(test, image), alt, WIDTH), bar)}${panel(
      'What it is taken for',
      sideBySide(columns, (column) => guesses(column, test, image)),
    )}</div>`,
  );
}

function guesses(column: Column, test: TestSet, image: number): Html {
  const { outputs, ranking } = column.trace;
  const isCut = outputs.length > MAX_LISTED;
  const listed = isCut ? ranking.slice(0, MAX_LISTED) : [...outputs.keys()];
  const table =
    column.trace.probabilities === undefined ? numbers(column, test, image, listed) : likely(column, test, listed);
  return html`${table}${isCut ? note(`The first ${MAX_LISTED} of ${outputs.length}.`) : undefined}`;
}

/** Classes or labels with their probabilities; the class, or each label that is said to be there, is in bold. */
function likely({ trace, title, results }: Column, { classNames }: TestSet, listed: readonly number[]): Html {
  const probabilities = trace.probabilities as Float32Array;
  const isSaid = (k: number): boolean =>
    trace.prediction === undefined ? (trace.outputs[k] as number) > 0 : k === trace.prediction;
  return html`<table class="guesses"><caption class="hidden">Probabilities after ${title}</caption>
<tr><th scope="col">${results.reading === 'class' ? 'class' : 'label'}</th><th scope="col">probability</th><td></td></tr>
${listed.map((k) => {
  const p = probabilities[k] as number;
  return html`<tr${isSaid(k) ? html` class="best"` : undefined}><th scope="row">${classNames[k]}</th><td class="number">${percent(p)}</td><td><progress max="1" value="${p.toFixed(4)}" aria-hidden="true"></progress></td></tr>
`;
})}</table>`;
}

function numbers({ trace, title }: Column, test: TestSet, image: number, listed: readonly number[]): Html {
  const { classNames, targets } = test;
  return html`<table class="guesses"><caption class="hidden">Predicted numbers after ${title}</caption>
<tr><th scope="col">output</th><th scope="col" class="number">predicted</th><th scope="col" class="number">truth</th></tr>
${listed.map((k) => {
  const truth = targets[image * classNames.length + k] as number;
  return html`<tr><th scope="row">${classNames[k]}</th><td class="number">${numberText(test, trace.outputs[k] as number)}</td><td class="number">${numberText(test, truth)}</td></tr>
`;
})}</table>`;
}
