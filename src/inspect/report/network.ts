import { BITMAP_HEIGHT, BITMAP_WIDTH, DIGIT_BITMAPS } from '../../shared/model/bitmaps.ts';
import { headOf, kindOf } from '../../shared/model/kinds.ts';
import type { LayerLayout } from '../../shared/model/layers/layer.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { count, layerText } from '../../shared/util/figures.ts';
import type { MapScale } from '../activations/map-picture.ts';
import { networkDiagram } from './diagram.ts';
import { type Html, html } from './html.ts';
import { chapter, note, panel } from './parts.ts';
import { colourBar, img, mapsOf } from './pictures.ts';
import { shapeText } from './text.ts';

const BITMAP_SCALE: MapScale = { kind: 'diverging', max: 1 };
/** SVG units of a cell of the connection table, and of the numbers beside it. */
const CELL = 22;
const MARGIN = 22;

/** The network itself, which no training changes: drawn from the model's spec. */
export function networkChapter(layouts: readonly ModelLayout[]): Html {
  const heads = [...new Map(layouts.map((layout) => [layout.spec.head.kind, layout])).values()];
  const titled = (title: string, part: (layout: ModelLayout) => Html): Html[] =>
    heads.map((layout) => panel(heads.length > 1 ? `${title}, ${kindOf(layout.spec.head).text}` : title, part(layout)));
  // The heads differ in nothing before them.
  const sparse = heads[0]?.layers.filter(({ input, inputsOf }) => inputsOf.some(({ length }) => length < input.maps));
  return chapter(
    'network',
    'The network',
    titled('Layers and their sizes', (layout) => html`<div class="scroll">${networkDiagram(layout)}</div>`),
    html`<div class="tables"><div class="stack">${titled('Parameters and connections', layerTable)}</div>
<div class="stack">${sparse?.map(connectionPanel)}${bitmapsPanel(heads)}</div></div>
`,
  );
}

function layerTable({ layers, parameters }: ModelLayout): Html {
  const total = layers.reduce((sum, { connections }) => sum + connections, 0);
  return html`<div class="scroll"><table class="layers"><caption class="hidden">Layers with their parameters and connections</caption>
<tr><th scope="col">layer</th><th scope="col">kind</th><th scope="col">output</th><th scope="col" class="number">trainable parameters</th><th scope="col" class="number">connections</th></tr>
${layers.map(
  ({ spec, output, parameters: own, connections }) =>
    html`<tr><th scope="row">${layerText(spec.name)}</th><td>${kindOf(spec).text}</td><td>${shapeText(output)}</td><td class="number">${count(own)}</td><td class="number">${count(connections)}</td></tr>
`,
)}<tr class="total"><th scope="row">all</th><td></td><td></td><td class="number">${count(parameters)}</td><td class="number">${count(total)}</td></tr></table></div>`;
}

function connectionPanel({ spec, input, inputsOf }: LayerLayout): Html {
  const name = layerText(spec.name);
  const cells = inputsOf.flatMap((inputs, output) =>
    inputs.map(
      (row) =>
        html`<rect class="cell" x="${MARGIN + output * CELL + 2}" y="${MARGIN + row * CELL + 2}" width="${CELL - 4}" height="${CELL - 4}" rx="3"/>`,
    ),
  );
  const middle = (i: number): number => MARGIN + i * CELL + CELL / 2;
  const rows = Array.from({ length: input.maps }, (_, i) => html`<text x="10" y="${middle(i) + 4}">${i}</text>`);
  const heads = inputsOf.map((_, i) => html`<text x="${middle(i)}" y="15">${i}</text>`);
  const alt = `${name}'s connection table. ${inputsOf.map((inputs, o) => `Map ${o} from ${inputs.join(', ')}`).join('; ')}.`;
  const [width, height] = [MARGIN + inputsOf.length * CELL, MARGIN + input.maps * CELL];
  return panel(
    `${name}'s connection table`,
    html`<div class="scroll"><svg class="connections" viewBox="0 0 ${width} ${height}" width="${Math.round(1.3 * width)}" role="img" aria-label="${alt}">${heads}${rows}${cells}</svg></div>`,
    note(
      `Columns: ${name}'s ${inputsOf.length} maps; rows: the ${input.maps} maps of the layer before that feed them.`,
    ),
  );
}

function bitmapsPanel(heads: readonly ModelLayout[]): Html {
  const used = heads.some(({ spec: { head } }) => headOf(head).targets !== undefined)
    ? 'The RBF head measures how far the last layer is from each of them.'
    : 'They are for networks with --head rbf; this one ends in softmax.';
  const shape = { maps: DIGIT_BITMAPS.length, height: BITMAP_HEIGHT, width: BITMAP_WIDTH };
  const picture = mapsOf(DIGIT_BITMAPS.flat(), shape, BITMAP_SCALE, DIGIT_BITMAPS.length);
  const alt = 'The ten bitmaps of 7×12 pixels, the digits 0 to 9 in the manner of LeCun et al. 1998';
  return panel("The RBF head's targets", img(picture, alt, 640), colourBar(BITMAP_SCALE), note(used));
}
