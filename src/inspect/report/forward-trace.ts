import type { Shape } from '../../shared/model/shape.ts';
import { layerText, percent } from '../../shared/util/figures.ts';
import type { LayerActivation } from '../activations/inspector.ts';
import { type MapScale, scaleOf } from '../activations/map-picture.ts';
import { imageOf } from './columns.ts';
import type { Column, TestSet } from './data.ts';
import { type Content, type Html, html } from './html.ts';
import { chapter, note } from './parts.ts';
import { dataUri, mapsOf } from './pictures.ts';
import { shapeText } from './text.ts';

/** SVG units: a layer's place, its picture, and what stands above it. */
const PLACE = 132;
const PICTURE = 108;
const HEAD = 40;
const HEIGHT = HEAD + PICTURE + 12;
const BYTES: MapScale = { kind: 'sequential', max: 255 };

/** The chosen digit's way through every layer, on one picture for each snapshot. */
export function traceChapter(columns: readonly Column[], test: TestSet, image: number): Html {
  return chapter(
    'way',
    'The way through every layer',
    ...columns.map(
      (column) => html`<figure class="panel way"><figcaption><h3>${column.title}</h3></figcaption>
<div class="scroll">${tracePicture(column, test, image)}</div></figure>
`,
    ),
    note('Each layer has its own scale here. Arrows follow the image from the left to the right.'),
  );
}

function tracePicture(column: Column, test: TestSet, image: number): Html {
  const { layers, prediction, probabilities } = column.trace;
  const shape = { maps: 1, height: test.height, width: test.width };
  const hidden = layers.slice(0, -1);
  const places = [
    place('input', shape, mapsPlace(imageOf(test, image), shape, BYTES)),
    ...hidden.map((layer) => place(layerText(layer.name), layer.shape, layerPlace(layer))),
    place('output', (layers.at(-1) as LayerActivation).shape, bars(probabilities)),
  ];
  const width = places.length * PLACE;
  const said = `${prediction} with ${percent(probabilities[prediction] as number)}`;
  const names = hidden.map(({ name }) => layerText(name)).join(', ');
  const alt = `Test image ${image} from the input through ${names} to the output after ${column.title}: ${said}`;
  return html`<svg class="layers" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${alt}">${places.map(
    (each, i) => html`<g transform="translate(${i * PLACE} 0)">${i > 0 ? arrow() : undefined}${each}</g>
`,
  )}</svg>`;
}

function place(name: string, shape: Shape, picture: Content): Html {
  return html`<text class="name" x="${PLACE / 2}" y="14">${name}</text><text class="size" x="${PLACE / 2}" y="30">${shapeText(shape)}</text>${picture}`;
}

function layerPlace({ values, shape }: LayerActivation): Html {
  return mapsPlace(values, shape, scaleOf(values));
}

function mapsPlace(values: ArrayLike<number>, shape: Shape, scale: MapScale): Html {
  const picture = mapsOf(values, shape, scale);
  const unit = PICTURE / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * unit, picture.height * unit];
  const box = html`x="${(PLACE - width) / 2}" y="${HEAD + (PICTURE - height) / 2}" width="${width}" height="${height}"`;
  return html`<rect class="ground" ${box}/><image href="${dataUri(picture)}" ${box}/>`;
}

/** Between this place and the one before. */
function arrow(): Html {
  const y = HEAD + PICTURE / 2;
  return html`<path class="arrow" d="M-9 ${y}h14m-5 -4l5 4l-5 4"/>`;
}

/** The classes' probabilities, a bar each. */
function bars(probabilities: Float32Array): Html {
  const row = PICTURE / probabilities.length;
  const best = Math.max(...probabilities);
  return html`${Array.from(probabilities, (p, digit) => {
    const y = HEAD + digit * row;
    return html`<text class="size" x="22" y="${y + row - 2}">${digit}</text><rect class="${p === best ? 'bar best' : 'bar'}" x="32" y="${y + 1}" width="${Math.max(0.5, 80 * p).toFixed(1)}" height="${row - 2}"/>`;
  })}`;
}
