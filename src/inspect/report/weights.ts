import { kindOf } from '../../shared/model/kinds.ts';
import type { Kernels } from '../../shared/model/layers/layer.ts';
import type { LayerLayout } from '../../shared/model/layers/placed-layer.ts';
import { tensorOf } from '../../shared/model/layers/placed-layer.ts';
import { layerText } from '../../shared/util/figures.ts';
import { colourPicture } from '../activations/input-picture.ts';
import type { MapScale, Picture } from '../activations/map-picture.ts';
import type { Column } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { colourBar, commonScale, dataUri, img, mapsOf, rangeText, VALUE_PIXELS } from './pictures.ts';
import { figure } from './text.ts';

/** SVG units of a kernel with the space after it, and of the numbers beside the table. */
const TILE = 30;
const MARGIN = 24;
/** Kernels in a picture that has one for each output map; in a table, columns and rows. */
const MAX_KERNELS = 64;
const [MAX_COLUMNS, MAX_ROWS] = [16, 8];
/** CSS pixels of a picture with few kernels, and with many. */
const [NARROW, WIDE] = [340, 480];
/** The maps of a colour picture. */
const CHANNELS = 3;

interface Owned {
  readonly column: Column;
  readonly layer: LayerLayout;
  readonly kernels: Kernels;
  /** The tensor `weight`, [kernels][height][width]. */
  readonly values: Float32Array;
}

/** The kernels of each layer that has some, and the size of all tensors. */
export function weightsChapter(columns: readonly Column[]): Html {
  const owned = columns.flatMap((column) => column.layout.layers.flatMap((layer) => ownedOf(column, layer)));
  const names = [...new Set(owned.map(({ layer }) => layer.spec.name))];
  const panels = names.map((name) => kernelsPanel(owned.filter(({ layer }) => layer.spec.name === name)));
  return chapter('weights', 'Weights', ...panels, panel('All tensors', tensorTable(columns)));
}

function ownedOf(column: Column, layer: LayerLayout): Owned[] {
  const kernels = kindOf(layer.spec).kernels?.(layer);
  const tensor = tensorOf(layer, 'weight');
  if (kernels === undefined || tensor === undefined) return [];
  return [{ column, layer, kernels, values: column.weights.subarray(tensor.offset, tensor.offset + tensor.size) }];
}

function kernelsPanel(owned: readonly Owned[]): Html {
  const { layer, kernels, values } = owned[0] as Owned;
  const scale = commonScale(owned.map((each) => each.values));
  const { height, width, inputsOf } = kernels;
  const name = layerText(layer.spec.name);
  const size = `${values.length / (height * width)} kernels of ${height}×${width}`;
  const form = formOf(layer, kernels);
  const text = {
    table: `${name}: ${size}, a column for each of its maps, a row for each map that feeds it`,
    colours: `${name}: ${inputsOf.length} kernels of ${height}×${width} in three colours`,
    each: `${name}: ${size}`,
  }[form];
  return panel(
    text,
    sideBySide(
      owned.map(({ column }) => column),
      (_, i) => kernelsPicture(owned[i] as Owned, scale),
    ),
    form === 'colours' ? note(`Grey is 0; the strongest light of a colour is ${figure(scale.max)}.`) : colourBar(scale),
    note('One scale for all, so that the columns can be compared.', cutText(form, layer, kernels)),
  );
}

/** Kernels of a colour picture, one for each output map, or a table of both sides. */
function formOf({ sources, inputs: [input] }: LayerLayout, { inputsOf, height, width }: Kernels) {
  const isWhole = inputsOf.every(({ length }) => length === CHANNELS) && input?.maps === CHANNELS;
  if (isWhole && sources[0] === -1 && height * width > 1) return 'colours';
  return inputsOf.every(({ length }) => length === 1) ? 'each' : 'table';
}

function cutText(form: ReturnType<typeof formOf>, { inputs: [input] }: LayerLayout, { inputsOf }: Kernels) {
  const [outputs, maps] = [inputsOf.length, input?.maps ?? 0];
  if (form === 'table')
    return outputs > MAX_COLUMNS || maps > MAX_ROWS
      ? ` The first ${Math.min(outputs, MAX_COLUMNS)} of ${outputs} maps, and of those that feed them the first ${Math.min(maps, MAX_ROWS)} of ${maps}.`
      : undefined;
  return outputs > MAX_KERNELS ? ` The first ${MAX_KERNELS} of ${outputs}.` : undefined;
}

function kernelsPicture(owned: Owned, scale: MapScale): Html {
  const { layer, kernels, values, column } = owned;
  const { height, width, inputsOf } = kernels;
  const alt = `${layerText(layer.spec.name)}'s kernels after ${column.title}, ${rangeText(values)}`;
  const form = formOf(layer, kernels);
  if (form === 'table') return kernelTable(owned, scale, alt);
  const shape = { maps: Math.min(inputsOf.length, MAX_KERNELS), height, width };
  const size = shape.maps > MAX_COLUMNS ? WIDE : NARROW;
  if (form === 'each') return img(mapsOf(values, shape, scale), alt, size);
  const range = [-scale.max, scale.max] as const;
  return img(colourPicture(values, shape, { range, zoom: VALUE_PIXELS }), alt, size);
}

/** Kernels in the places of the connections; the page shows through the empty places. */
function kernelTable({ values, kernels, layer }: Owned, scale: MapScale, alt: string): Html {
  const { height, width, inputsOf } = kernels;
  const columns = Math.min(inputsOf.length, MAX_COLUMNS);
  const rows = Math.min(layer.inputs[0]?.maps ?? 0, MAX_ROWS);
  const area = height * width;
  const table = new Float32Array(rows * columns * area);
  let kernel = 0;
  for (const [output, inputs] of inputsOf.slice(0, columns).entries()) {
    for (const row of inputs) {
      const own = values.subarray(kernel * area, (kernel + 1) * area);
      if (row < rows) table.set(own, (row * columns + output) * area);
      kernel++;
    }
  }
  const picture = mapsOf(table, { maps: rows * columns, height, width }, scale, columns);
  const space = area > 1 ? 1 : 0;
  const tile = [VALUE_PIXELS * (height + space), VALUE_PIXELS * (width + space)] as const;
  clear(picture, tile, (row, output) => inputsOf[output]?.includes(row) ?? false);
  return labelled(picture, { rows, columns, space: TILE / (Math.max(height, width) + 1) }, alt);
}

/** A table's picture with the numbers of its rows and columns. @param space SVG units that the picture lacks after its last tiles */
function labelled(
  picture: Picture,
  { rows, columns, space }: Readonly<Record<'rows' | 'columns' | 'space', number>>,
  alt: string,
): Html {
  const [width, height] = [MARGIN + columns * TILE, MARGIN + rows * TILE];
  const middle = (i: number): number => MARGIN + i * TILE + TILE / 2;
  const across = Array.from({ length: columns }, (_, i) => html`<text x="${middle(i) - 2}" y="16">${i}</text>`);
  const down = Array.from({ length: rows }, (_, i) => html`<text x="8" y="${middle(i) + 2}">${i}</text>`);
  return html`<div class="scroll"><svg class="kernels" viewBox="0 0 ${width} ${height}" role="img" aria-label="${alt}">${across}${down}
<image href="${dataUri(picture)}" x="${MARGIN}" y="${MARGIN}" width="${columns * TILE - space}" height="${rows * TILE - space}" preserveAspectRatio="none"/></svg></div>`;
}

/** Makes the places without a kernel transparent. @param tile picture pixels from one kernel to the next, down and across */
function clear(
  { width, height, data }: Picture,
  [down, across]: readonly [number, number],
  isFilled: (row: number, column: number) => boolean,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!isFilled(Math.floor(y / down), Math.floor(x / across))) data[4 * (y * width + x) + 3] = 0;
    }
  }
}

/** How large the values of each tensor are, snapshot by snapshot. */
function tensorTable(columns: readonly Column[]): Html {
  const tensors = columns.flatMap(({ layout }) => layout.tensors.map(({ name, shape }) => ({ name, shape })));
  const named = [...new Map(tensors.map((tensor) => [tensor.name, tensor])).values()];
  return html`<div class="scroll"><table class="tensors"><caption>Root of the mean square of each tensor's values</caption>
<tr><th scope="col">tensor</th><th scope="col">shape</th>${columns.map(({ title }) => html`<th scope="col" class="number">${title}</th>`)}</tr>
${named.map(
  ({ name, shape }) =>
    html`<tr><th scope="row">${name}</th><td>${shape.join('×')}</td>${columns.map((column) => html`<td class="number">${rootMeanSquare(column, name)}</td>`)}</tr>
`,
)}</table></div>`;
}

function rootMeanSquare({ layout, weights }: Column, name: string): string {
  const tensor = layout.tensors.find((each) => each.name === name);
  if (tensor === undefined) return '–';
  let sum = 0;
  for (const value of weights.subarray(tensor.offset, tensor.offset + tensor.size)) sum += value * value;
  return figure(Math.sqrt(sum / tensor.size));
}
