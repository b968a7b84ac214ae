import { BITMAP_HEIGHT, BITMAP_WIDTH } from '../../shared/model/bitmaps.ts';
import { headOf, kindOf } from '../../shared/model/kinds.ts';
import type { LayerLayout } from '../../shared/model/layers/layer.ts';
import type { Shape } from '../../shared/model/shape.ts';
import { layerText } from '../../shared/util/figures.ts';
import type { LayerActivation } from '../activations/inspector.ts';
import { columnsOf, type MapScale, scaleOf } from '../activations/map-picture.ts';
import type { Column, ReportData } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, panel, sideBySide } from './parts.ts';
import { colourBar, commonScale, img, mapsOf, rangeText } from './pictures.ts';
import { shapeText } from './text.ts';

export const BITMAP: Shape = { maps: 1, height: BITMAP_HEIGHT, width: BITMAP_WIDTH };
/** CSS pixels of a picture, at most, and of one value. */
const WIDTH = 420;
const UNIT = 16;

/** What each layer but the head makes of the chosen digit. */
export function layersChapter({ test, image }: ReportData, columns: readonly Column[]): Html {
  const truth = test.labels[image] as number;
  const layers = columns[0]?.trace.layers.slice(0, -1) ?? [];
  return chapter('maps', 'What each layer sees', ...layers.map((_, i) => layerPanel(columns, i, truth)));
}

export function layerOf({ trace }: Column, index: number): LayerActivation {
  return trace.layers[index] as LayerActivation;
}

function layerPanel(columns: readonly Column[], index: number, truth: number): Html {
  const shown = columns.map((column) => layerOf(column, index));
  const { name, shape } = shown[0] as LayerActivation;
  const { spec } = (columns[0] as Column).layout.layers[index] as LayerLayout;
  const what = kindOf(spec).outputText ?? (shape.height * shape.width > 1 ? 'feature maps' : 'units');
  const title = `${layerText(name)}: ${shapeText(shape)} ${what}`;
  if (!isAlike(columns, index)) {
    return panel(
      title,
      sideBySide(columns, (column, i) => {
        const scale = scaleOf((shown[i] as LayerActivation).values);
        return [layerPicture(column, index, scale, truth), colourBar(scale)];
      }),
    );
  }
  const scale = commonScale(shown.map(({ values }) => values));
  return panel(
    title,
    sideBySide(columns, (column) => layerPicture(column, index, scale, truth)),
    colourBar(scale),
  );
}

/** Another activation has other values: F6 differs by the head. */
function isAlike(columns: readonly Column[], index: number): boolean {
  return new Set(columns.map(({ layout }) => JSON.stringify(layout.layers[index]?.spec))).size === 1;
}

function layerPicture(column: Column, index: number, scale: MapScale, truth: number): Html {
  const { name, shape, values } = layerOf(column, index);
  const alt = `${layerText(name)} after ${column.title}: ${shapeText(shape)}, ${rangeText(values)}`;
  const targets = targetsOf(column, name);
  if (targets === undefined) return img(mapsOf(values, shape, scale), alt, widthOf(shape));
  const guess = column.trace.prediction;
  const target = (digit: number, whose: string): Html =>
    html`<figure>${img(mapsOf(targets[digit] as readonly number[], BITMAP, scale), `The target bitmap of the ${digit}`, 7 * UNIT)}<figcaption>${whose}</figcaption></figure>`;
  return html`<div class="pair"><figure>${img(mapsOf(values, BITMAP, scale), alt, 7 * UNIT)}<figcaption>the units, 7×12</figcaption></figure>
${guess === truth ? target(truth, `the nearest target: ${truth}`) : [target(truth, `the truth's target: ${truth}`), target(guess, `the nearest target: ${guess}`)]}</div>`;
}

/** The bitmaps with which an RBF head compares the layer before it; undefined for other layers. */
function targetsOf({ layout }: Column, name: string): readonly (readonly number[])[] | undefined {
  const { head, layers } = layout.spec;
  return layers.at(-1)?.name === name ? headOf(head).targets?.(head) : undefined;
}

function widthOf(shape: Shape): number {
  return shape.height * shape.width === 1 ? columnsOf(shape) * UNIT : WIDTH;
}
