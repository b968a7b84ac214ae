import { BITMAP_HEIGHT, BITMAP_WIDTH } from '../../shared/model/bitmaps.ts';
import { kindOf } from '../../shared/model/kinds.ts';
import { isVector, type Shape, vector } from '../../shared/model/shape.ts';
import { layerText } from '../../shared/util/figures.ts';
import type { LayerActivation } from '../activations/inspector.ts';
import { columnsOf, fewMaps, MAX_MAPS, type MapScale, scaleOf } from '../activations/map-picture.ts';
import { refinementText, type ShownLayer } from '../activations/shown-layers.ts';
import type { Column, ReportData, TestSet } from './data.ts';
import { type Html, html } from './html.ts';
import { chapter, note, panel, sideBySide } from './parts.ts';
import { colourBar, commonScale, img, mapsOf, rangeText } from './pictures.ts';
import { shapeText, targetsOf } from './text.ts';

/** CSS pixels of a picture, at most, and of one value. */
const WIDTH = 420;
const UNIT = 16;

/** A layer as one of the snapshots has it. */
interface Seen {
  readonly column: Column;
  readonly layer: ShownLayer;
  readonly activation: LayerActivation;
}

/** What each layer but the outputs makes of the chosen sample; layers of one name are beside each other. */
export function layersChapter({ test, image }: ReportData, columns: readonly Column[]): Html {
  const seen = columns.flatMap((column) =>
    column.trace.layers.slice(0, -1).map((activation, i): Seen => {
      return { column, activation, layer: column.shown.layers[i] as ShownLayer };
    }),
  );
  const names = [...new Set(seen.map(({ layer }) => layer.name))];
  return chapter(
    'maps',
    'What each layer sees',
    ...names.map((name) =>
      layerPanel(
        seen.filter(({ layer }) => layer.name === name),
        test,
        image,
      ),
    ),
  );
}

function layerPanel(seen: readonly Seen[], test: TestSet, image: number): Html {
  const { layer, activation } = seen[0] as Seen;
  const { shape } = activation;
  const what = kindOf(layer.layers[0].spec).outputText ?? (isVector(shape) ? 'units' : 'feature maps');
  const refined = refinementText(layer);
  const title = `${layerText(layer.name)}: ${shapeText(shape)} ${what}${refined === undefined ? '' : ` after ${refined}`}`;
  const columns = seen.map(({ column }) => column);
  const isCut = !isVector(shape) && shape.maps > MAX_MAPS;
  const cut = isCut ? note(`The first ${MAX_MAPS} of ${shape.maps} maps.`) : undefined;
  if (!isAlike(seen)) {
    return panel(
      title,
      sideBySide(columns, (_, i) => {
        const own = seen[i] as Seen;
        const scale = scaleOf(own.activation.values);
        return [layerPicture(own, scale, test, image), colourBar(scale)];
      }),
      cut,
    );
  }
  const scale = commonScale(seen.map((each) => each.activation.values));
  return panel(
    title,
    sideBySide(columns, (_, i) => layerPicture(seen[i] as Seen, scale, test, image)),
    colourBar(scale),
    cut,
  );
}

/** Other activations and shapes have other values: LeNet-5's F6 differs by the head. */
function isAlike(seen: readonly Seen[]): boolean {
  return (
    new Set(seen.map(({ layer }) => JSON.stringify([layer.shape, layer.layers.map(({ spec }) => spec)]))).size === 1
  );
}

function layerPicture({ column, layer, activation }: Seen, scale: MapScale, test: TestSet, image: number): Html {
  const { shape, values } = activation;
  const alt = `${layerText(layer.name)} after ${column.title}: ${shapeText(shape)}, ${rangeText(values)}`;
  const few = fewMaps(values, shape);
  const isCompared = layer === column.shown.layers.at(-1);
  const targets = isCompared ? targetsOf(column.layout) : undefined;
  if (targets === undefined) return img(mapsOf(few.values, few.shape, scale), alt, widthOf(few.shape));
  const form = targetForm(shape);
  const columns = columnsOf(shape);
  const width = UNIT * (form.maps === 1 ? form.width : columns);
  const [guess, truth] = [column.trace.prediction as number, test.targets[image] as number];
  const target = (k: number, whose: string): Html =>
    html`<figure>${img(mapsOf(targets[k] as readonly number[], form, scale), `The target of ${test.classNames[k]}`, width)}<figcaption>${whose}: ${test.classNames[k]}</figcaption></figure>`;
  return html`<div class="pair"><figure>${img(mapsOf(values, form, scale), alt, width)}<figcaption>the units, ${columns}×${Math.ceil(shape.maps / columns)}</figcaption></figure>
${guess === truth ? target(truth, 'the nearest target') : [target(truth, "the truth's target"), target(guess, 'the nearest target')]}</div>`;
}

/** The targets of LeNet-5 are bitmaps; others are vectors. */
export function targetForm({ maps }: Shape): Shape {
  const bitmap = { maps: 1, height: BITMAP_HEIGHT, width: BITMAP_WIDTH };
  return maps === BITMAP_HEIGHT * BITMAP_WIDTH ? bitmap : vector(maps);
}

function widthOf(shape: Shape): number {
  return isVector(shape) ? Math.min(WIDTH, columnsOf(shape) * UNIT) : WIDTH;
}
