import { headOf, kindOf } from '../../shared/model/kinds.ts';
import type { LayerLayout } from '../../shared/model/layers/placed-layer.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { vector } from '../../shared/model/shape.ts';
import { count, layerText } from '../../shared/util/figures.ts';
import type { MapScale } from '../activations/map-picture.ts';
import { refinementText, type ShownLayer, shownLayers } from '../activations/shown-layers.ts';
import { networkDiagram } from './diagram.ts';
import { type Html, html } from './html.ts';
import { targetForm } from './layers.ts';
import { chapter, note, panel } from './parts.ts';
import { colourBar, img, mapsOf } from './pictures.ts';
import { shapeText, targetsOf } from './text.ts';

const TARGET_SCALE: MapScale = { kind: 'diverging', max: 1 };
/** SVG units of a cell of the connection table, and of the numbers beside it. */
const CELL = 22;
const MARGIN = 22;
/** Rows and columns of a connection table, at most. */
const MAX_TABLE = 32;

/** The networks themselves, which no training changes: drawn from the models' specs. */
export function networkChapter(all: readonly ModelLayout[]): Html {
  const layouts = [...new Map(all.map((layout) => [JSON.stringify(layout.spec), layout])).values()];
  const titled = (title: string, part: (layout: ModelLayout) => Html): Html[] =>
    layouts.map((layout) => panel(layouts.length > 1 ? `${title}, ${modelText(layout)}` : title, part(layout)));
  const sparse = new Map(
    layouts.flatMap(({ layers }) => layers.filter(isSparse).map((layer) => [layer.spec.name, layer])),
  );
  const beside = [...[...sparse.values()].map(connectionPanel), ...layouts.flatMap((layout) => targetsPanel(layout))];
  return chapter(
    'network',
    layouts.length === 1 ? 'The network' : 'The networks',
    titled('Layers and their sizes', (layout) => html`<div class="scroll">${networkDiagram(layout)}</div>`),
    html`<div class="${beside.length > 0 ? 'tables' : 'stack'}"><div class="stack">${titled('Parameters and connections', layerTable)}</div>
<div class="stack">${beside}</div></div>
`,
  );
}

function modelText({ spec }: ModelLayout): string {
  return `${spec.name} with ${headOf(spec.head).text}`;
}

function layerTable(layout: ModelLayout): Html {
  const { input, layers } = shownLayers(layout);
  const targets = targetsOf(layout)?.flat().length ?? 0;
  const total = layers.reduce((sum, layer) => sum + connectionsOf(layer), targets);
  const isBranched = layers.some(({ sources }, i) => sources.length !== 1 || sources[0] !== i - 1);
  const names = ['input', ...layers.map(({ name }) => layerText(name))];
  const row = (layer: ShownLayer): Html => {
    const { layers: members, shape, sources } = layer;
    const refined = refinementText(layer);
    const kind = `${kindOf(members[0].spec).text}${refined === undefined ? '' : `, ${refined}`}`;
    const parameters = members.reduce((sum, member) => sum + member.parameters, 0);
    const own = connectionsOf(layer);
    const reads = isBranched ? html`<td>${sources.map((source) => names[source + 1]).join(', ')}</td>` : undefined;
    return html`<tr><th scope="row">${layerText(layer.name)}</th><td>${kind}</td>${reads}<td>${shapeText(shape)}</td><td class="number">${count(parameters)}</td><td class="number">${own === 0 ? undefined : count(own)}</td></tr>
`;
  };
  const empty = isBranched ? html`<td></td>` : undefined;
  const head = headOf(layout.spec.head).text;
  const compared = html`<tr><th scope="row">output</th><td>${head}</td>${empty}<td>${layout.classes}</td><td class="number">0</td><td class="number">${count(targets)}</td></tr>
`;
  return html`<div class="scroll"><table class="layers"><caption class="hidden">Layers with their parameters and connections</caption>
<tr><th scope="col">layer</th><th scope="col">kind</th>${isBranched ? html`<th scope="col">reads</th>` : undefined}<th scope="col">output</th><th scope="col" class="number">parameters</th><th scope="col" class="number">connections</th></tr>
${layers.map(row)}${targets > 0 ? compared : undefined}<tr class="total"><th scope="row">all</th><td></td>${empty}<td></td><td class="number">${count(layout.parameters)}</td><td class="number">${count(total)}</td></tr></table></div>
${note(`The input is ${shapeText(input)}; the last layer's values go to the head: ${head}.`)}`;
}

function connectionsOf({ layers }: ShownLayer): number {
  return layers.reduce((sum, layer) => sum + (kindOf(layer.spec).connections?.(layer) ?? 0), 0);
}

/** Whether maps see only some of the maps before them, few enough to be drawn. */
function isSparse(layer: LayerLayout): boolean {
  const maps = layer.inputs[0]?.maps ?? 0;
  const inputsOf = kindOf(layer.spec).kernels?.(layer)?.inputsOf ?? [];
  return maps <= MAX_TABLE && inputsOf.length <= MAX_TABLE && inputsOf.some(({ length }) => length < maps);
}

function connectionPanel(layer: LayerLayout): Html {
  const name = layerText(layer.spec.name);
  const inputsOf = kindOf(layer.spec).kernels?.(layer)?.inputsOf ?? [];
  const maps = layer.inputs[0]?.maps ?? 0;
  const cells = inputsOf.flatMap((inputs, output) =>
    inputs.map(
      (row) =>
        html`<rect class="cell" x="${MARGIN + output * CELL + 2}" y="${MARGIN + row * CELL + 2}" width="${CELL - 4}" height="${CELL - 4}" rx="3"/>`,
    ),
  );
  const middle = (i: number): number => MARGIN + i * CELL + CELL / 2;
  const rows = Array.from({ length: maps }, (_, i) => html`<text x="10" y="${middle(i) + 4}">${i}</text>`);
  const heads = inputsOf.map((_, i) => html`<text x="${middle(i)}" y="15">${i}</text>`);
  const alt = `${name}'s connection table. ${inputsOf.map((inputs, o) => `Map ${o} from ${inputs.join(', ')}`).join('; ')}.`;
  const [width, height] = [MARGIN + inputsOf.length * CELL, MARGIN + maps * CELL];
  return panel(
    `${name}'s connection table`,
    html`<div class="scroll"><svg class="connections" viewBox="0 0 ${width} ${height}" width="${Math.round(1.3 * width)}" role="img" aria-label="${alt}">${heads}${rows}${cells}</svg></div>`,
    note(`Columns: ${name}'s ${inputsOf.length} maps; rows: the ${maps} maps of the layer before that feed them.`),
  );
}

/** What an RBF head compares the last layer with. */
function targetsPanel(layout: ModelLayout): Html[] {
  const targets = targetsOf(layout);
  if (targets === undefined) return [];
  const form = targetForm(vector(targets[0]?.length ?? 0));
  // Vectors are columns beside each other, as bitmaps are.
  const shape = { maps: targets.length, height: form.maps * form.height, width: form.width };
  const alt = `The targets of the ${targets.length} classes in order, ${shape.width}×${shape.height} values each`;
  const picture = mapsOf(targets.flat(), shape, TARGET_SCALE, targets.length);
  const text = 'The RBF head measures how far the last layer is from each of them.';
  return [panel("The RBF head's targets", img(picture, alt, 640), colourBar(TARGET_SCALE), note(text))];
}
