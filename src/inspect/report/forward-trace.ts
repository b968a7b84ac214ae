import type { Shape } from '../../shared/model/shape.ts';
import { layerText, percent } from '../../shared/util/figures.ts';
import type { LayerActivation } from '../activations/inspector.ts';
import { fewMaps, type Picture, scaleOf } from '../activations/map-picture.ts';
import type { Column, TestSet } from './data.ts';
import { detourPaths, edgesOf, LEVEL } from './edges.ts';
import { type Content, type Html, html } from './html.ts';
import { chapter, note, rowSize } from './parts.ts';
import { dataUri, mapsOf, samplePicture } from './pictures.ts';
import { MAX_LISTED } from './sample.ts';
import { numberText, sampleText } from './test-set.ts';
import { shapeText } from './text.ts';

/** SVG units: a layer's place, its picture, and what stands above it. */
const PLACE = 132;
const PICTURE = 108;
const HEAD = 40;
const HEIGHT = HEAD + PICTURE + 12;
/** The height of a class's bar, at most. */
const MAX_ROW = 18;
/** Characters of a name that its place has room for. */
const MAX_NAME = 17;

/** The chosen sample's way through every layer, on one picture for each snapshot. */
export function traceChapter(columns: readonly Column[], test: TestSet, image: number): Html {
  const isBranched = columns.some(({ shown }) => edgesOf(shown.layers.map(({ sources }) => sources)).levels > 0);
  const lines = isBranched ? ' A line below them leads past layers that a branch leaves out.' : '';
  return chapter(
    'way',
    'The way through every layer',
    ...columns.map(
      (column) => html`<figure class="panel way"><figcaption><h3>${column.title}</h3></figcaption>
<div class="scroll">${tracePicture(column, test, image)}</div></figure>
`,
    ),
    note(`Each layer has its own scale here. Arrows follow the sample from the left to the right.${lines}`),
  );
}

function tracePicture(column: Column, test: TestSet, image: number): Html {
  const { trace, shown } = column;
  const hidden = trace.layers.slice(0, -1);
  const output = trace.layers.at(-1) as LayerActivation;
  const places = [
    place('input', test.shape, picturePlace(samplePicture(test, image))),
    ...hidden.map(({ name, shape, values }) => {
      const few = fewMaps(values, shape);
      return place(layerText(name), shape, picturePlace(mapsOf(few.values, few.shape, scaleOf(values))));
    }),
    place('output', output.shape, bars(column, test)),
  ];
  const sources = shown.layers.map((layer) => layer.sources);
  // The head's distances, after the last layer.
  const edges = edgesOf(sources.length < places.length - 1 ? [...sources, [sources.length - 1]] : sources);
  const [width, height] = [places.length * PLACE, HEIGHT + (edges.levels === 0 ? 0 : edges.levels * LEVEL + 4)];
  const names = hidden.map(({ name }) => layerText(name)).join(', ');
  const way = `${sampleText(test, image)}, from the input through ${names} to the output after ${column.title}`;
  return html`<svg ${rowSize('layers', places.length, width)} viewBox="0 0 ${width} ${height}" role="img" aria-label="${way}: ${saidText(column, test)}">${places.map(
    (each, i) => html`<g transform="translate(${i * PLACE} 0)">${edges.next.has(i) ? arrow() : undefined}${each}</g>
`,
  )}${detourPaths(edges, (i) => (i + 0.5) * PLACE, HEIGHT - 10)}</svg>`;
}

/** What a snapshot makes of the sample, in words. */
function saidText({ trace: { prediction, probabilities, outputs } }: Column, test: TestSet): string {
  const { classNames } = test;
  if (prediction !== undefined && probabilities !== undefined)
    return `${classNames[prediction]} with ${percent(probabilities[prediction] as number)}`;
  if (probabilities === undefined)
    return Array.from(outputs.subarray(0, MAX_LISTED), (value) => numberText(test, value)).join(', ');
  const said = classNames.filter((_, label) => (outputs[label] as number) > 0);
  return said.length === 0 ? 'no label' : said.join(', ');
}

function place(name: string, shape: Shape, picture: Content): Html {
  const short = name.length > MAX_NAME ? `${name.slice(0, MAX_NAME - 1)}…` : name;
  return html`<text class="name" x="${PLACE / 2}" y="14">${short}</text><text class="size" x="${PLACE / 2}" y="30">${shapeText(shape)}</text>${picture}`;
}

function picturePlace(picture: Picture): Html {
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

/** A bar for each class or label, or the likeliest of many; numbers as they are. */
function bars({ trace }: Column, test: TestSet): Html {
  const { classNames } = test;
  const { probabilities, outputs, ranking, prediction } = trace;
  const isAll = outputs.length <= MAX_LISTED;
  const listed = isAll ? [...outputs.keys()] : ranking.slice(0, MAX_LISTED);
  const row = Math.min(MAX_ROW, PICTURE / listed.length);
  // Room for the longest name.
  const isNamed = listed.some((k) => shortName(classNames[k] as string).length > 2);
  const [middle, left] = isNamed ? [30, 64] : [22, 32];
  return html`${listed.map((k, i) => {
    const y = HEAD + i * row;
    const name = shortName(classNames[k] as string);
    if (probabilities === undefined)
      return html`<text class="size" x="${PLACE / 2}" y="${y + row - 2}">${name}: ${numberText(test, outputs[k] as number)}</text>`;
    const p = probabilities[k] as number;
    const isSaid = prediction === undefined ? (outputs[k] as number) > 0 : k === prediction;
    return html`<text class="size" x="${middle}" y="${y + row - 2}">${name}</text><rect class="${isSaid ? 'bar best' : 'bar'}" x="${left}" y="${y + 1}" width="${Math.max(0.5, (112 - left) * p).toFixed(1)}" height="${row - 2}"/>`;
  })}`;
}

function shortName(name: string): string {
  return name.length > 7 ? `${name.slice(0, 6)}…` : name;
}
