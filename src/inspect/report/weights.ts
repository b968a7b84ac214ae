import type { LayerLayout } from '../../shared/model/layers/layer.ts';
import { layerText } from '../../shared/util/figures.ts';
import type { MapScale, Picture } from '../activations/map-picture.ts';
import type { Column } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { colourBar, commonScale, dataUri, img, mapsOf, rangeText, VALUE_PIXELS } from './pictures.ts';

/** SVG units of a kernel with the space after it, and of the numbers beside the table. */
const TILE = 30;
const MARGIN = 24;

/** The kernels of each convolution, a panel each. */
export function weightsChapter(columns: readonly Column[]): Html {
  const convs = (columns[0]?.layout.layers ?? []).filter(({ inputsOf }) => inputsOf.length > 0);
  return chapter('weights', 'Weights', ...convs.map((conv) => kernelsPanel(columns, conv)));
}

function kernelsPanel(columns: readonly Column[], conv: LayerLayout): Html {
  const arrays = columns.map((column) => kernelsOf(column, conv));
  const scale = commonScale(arrays);
  const [kernels = 0, side = 0] = conv.tensors[0]?.shape ?? [];
  const name = layerText(conv.spec.name);
  const isTable = conv.input.maps > 1;
  const text = isTable
    ? `${name}: ${kernels} kernels of ${side}×${side}, a column for each of its maps, a row for each map that feeds it`
    : `${name}: ${kernels} kernels of ${side}×${side}`;
  return panel(
    text,
    sideBySide(columns, (column, i) => {
      const values = arrays[i] as Float32Array;
      const alt = `${name}'s ${kernels} kernels after ${column.title}, ${rangeText(values)}`;
      const shape = { maps: kernels, height: side, width: side };
      return isTable ? kernelTable(values, conv, scale, alt) : img(mapsOf(values, shape, scale), alt, 340);
    }),
    colourBar(scale),
    note('One scale for all, so that the columns can be compared.'),
  );
}

function kernelsOf({ weights }: Column, { tensors }: LayerLayout): Float32Array {
  const { offset = 0, size = 0 } = tensors[0] ?? {};
  return weights.subarray(offset, offset + size);
}

/** Kernels in the places of the connection table; the page shows through the empty places. */
function kernelTable(values: Float32Array, { inputsOf, input, tensors }: LayerLayout, scale: MapScale, alt: string) {
  const side = tensors[0]?.shape[1] ?? 1;
  const maps = inputsOf.length;
  const table = new Float32Array(input.maps * maps * side * side);
  let kernel = 0;
  for (const [output, inputs] of inputsOf.entries()) {
    for (const row of inputs) {
      const place = row * maps + output;
      table.set(values.subarray(kernel * side * side, (kernel + 1) * side * side), place * side * side);
      kernel++;
    }
  }
  const shape = { maps: input.maps * maps, height: side, width: side };
  const picture = mapsOf(table, shape, scale, maps);
  clear(picture, VALUE_PIXELS * (side + 1), (row, output) => inputsOf[output]?.includes(row) ?? false);
  const [width, height] = [MARGIN + maps * TILE, MARGIN + input.maps * TILE];
  const labels = [
    ...inputsOf.map((_, i) => html`<text x="${MARGIN + i * TILE + TILE / 2 - 2}" y="16">${i}</text>`),
    ...Array.from(
      { length: input.maps },
      (_, i) => html`<text x="8" y="${MARGIN + i * TILE + TILE / 2 + 2}">${i}</text>`,
    ),
  ];
  // The picture lacks the space after its last tiles.
  const space = TILE / (side + 1);
  return html`<div class="scroll"><svg class="kernels" viewBox="0 0 ${width} ${height}" role="img" aria-label="${alt}">${labels}
<image href="${dataUri(picture)}" x="${MARGIN}" y="${MARGIN}" width="${maps * TILE - space}" height="${input.maps * TILE - space}" preserveAspectRatio="none"/></svg></div>`;
}

/** Makes the places without a kernel transparent. @param tile picture pixels from one kernel to the next */
function clear(
  { width, height, data }: Picture,
  tile: number,
  isFilled: (row: number, column: number) => boolean,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!isFilled(Math.floor(y / tile), Math.floor(x / tile))) data[4 * (y * width + x) + 3] = 0;
    }
  }
}
