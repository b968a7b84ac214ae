import { count, percent } from '../../shared/util/figures.ts';
import type { MapScale } from '../activations/map-picture.ts';
import { imageOf } from './columns.ts';
import type { Column, ReportData } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, panel, sideBySide } from './parts.ts';
import { colourBar, img, mapsOf } from './pictures.ts';

/** The scale of a test image's bytes. */
export const BYTE_SCALE: MapScale = { kind: 'sequential', max: 255 };
const WIDTH = 280;

/** The chosen digit, and what each snapshot takes it for. */
export function digitChapter({ test, image }: ReportData, columns: readonly Column[]): Html {
  const truth = test.labels[image] as number;
  const shape = { maps: 1, height: test.height, width: test.width };
  const alt = `Test image ${image}, a ${truth}: ${test.width}×${test.height} pixels from 0, black, to 255, yellow`;
  return chapter(
    'digit',
    'The digit',
    html`<div class="digit">${panel(
      `Test image ${count(image)}, a ${truth}`,
      img(mapsOf(imageOf(test, image), shape, BYTE_SCALE), alt, WIDTH),
      colourBar(BYTE_SCALE),
    )}${panel('What it is taken for', sideBySide(columns, guesses))}</div>`,
  );
}

function guesses({ trace, title }: Column): Html {
  const { probabilities, prediction } = trace;
  return html`<table class="guesses"><caption class="hidden">Probabilities after ${title}</caption>
<tr><th scope="col">digit</th><th scope="col">probability</th><td></td></tr>
${Array.from(
  probabilities,
  (p, digit) =>
    html`<tr${digit === prediction ? html` class="best"` : undefined}><th scope="row">${digit}</th><td class="number">${percent(p)}</td><td><progress max="1" value="${p.toFixed(4)}" aria-hidden="true"></progress></td></tr>
`,
)}</table>`;
}
