import type { ModelLayout } from '../../shared/model/layout.ts';
import { isVector, type Shape, vector } from '../../shared/model/shape.ts';
import { count, layerText } from '../../shared/util/figures.ts';
import { shownLayers } from '../activations/shown-layers.ts';
import { detourPaths, edgesOf, LEVEL } from './edges.ts';
import { type Html, html } from './html.ts';
import { rowSize } from './parts.ts';
import { shapeText, targetsOf } from './text.ts';

interface Block {
  readonly name: string;
  readonly shape: Shape;
  readonly parameters: number;
}

/** SVG units: a map's pixel, what maps of one layer are set apart by, and the space between layers. */
const PIXEL = 3.2;
const OFFSET = 5;
const GAP = 34;
/** Sheets drawn of a layer, at most. */
const SHEETS = 16;
/** A unit of a dense layer is this high. */
const UNIT = 1.3;
const BAR = 14;
/** The side of the largest map, and the height of the longest vector, at most: large ones are drawn smaller, all by the same factor. */
const MAX_SIDE = 104;
const MAX_BAR = 200;
const LEAST_WIDTH = 90;
const MIDDLE = 150;
const HEIGHT = 290;

/** What a pixel and a unit take in one diagram. */
interface Units {
  readonly pixel: number;
  readonly unit: number;
}

/** Stacks of maps and bars of units from left to right, as large as the spec makes them. */
export function networkDiagram(layout: ModelLayout): Html {
  const { input, layers } = shownLayers(layout);
  const blocks: Block[] = [
    { name: 'input', parameters: 0, shape: input },
    ...layers.map(({ name, shape, layers: members }) => {
      const parameters = members.reduce((sum, layer) => sum + layer.parameters, 0);
      return { name: layerText(name), shape, parameters };
    }),
  ];
  const sources = layers.map((layer) => layer.sources);
  if (targetsOf(layout) !== undefined) {
    blocks.push({ name: 'output', parameters: 0, shape: vector(layout.classes) });
    sources.push([layers.length - 1]);
  }
  const units = unitsOf(blocks);
  const middles: number[] = [];
  let x = 4;
  const edges = edgesOf(sources);
  const drawn = blocks.map((block, i) => {
    const width = Math.max(LEAST_WIDTH, 7.5 * block.name.length, sizeOf(block.shape, units).width);
    const at = x;
    x += width + GAP;
    middles.push(at + width / 2);
    return html`${edges.next.has(i) ? arrow(at - GAP) : undefined}${blockPicture(block, at + width / 2, units)}
`;
  });
  const words = blocks.map(({ name, shape }) => `${name} ${shapeText(shape)}`).join(', ');
  const [width, height] = [x - GAP + 4, HEIGHT + edges.levels * LEVEL + (edges.levels > 0 ? 6 : 0)];
  return html`<svg ${rowSize('network', blocks.length, width)} viewBox="0 0 ${round(width)} ${height}" role="img" aria-label="The network's layers: ${words}">${drawn}${detourPaths(edges, (i) => middles[i] as number, HEIGHT - 2)}</svg>`;
}

function unitsOf(blocks: readonly Block[]): Units {
  const stacks = blocks.filter(({ shape }) => !isVector(shape)).map(({ shape }) => Math.max(shape.height, shape.width));
  const vectors = blocks.filter(({ shape }) => isVector(shape)).map(({ shape }) => shape.maps);
  return {
    pixel: Math.min(PIXEL, MAX_SIDE / Math.max(1, ...stacks)),
    unit: Math.min(UNIT, MAX_BAR / Math.max(1, ...vectors)),
  };
}

/** SVG units that a layer takes. */
function sizeOf(shape: Shape, { pixel, unit }: Units): { width: number; height: number } {
  if (isVector(shape)) return { width: BAR, height: Math.max(BAR, shape.maps * unit) };
  const apart = OFFSET * (Math.min(shape.maps, SHEETS) - 1);
  return { width: shape.width * pixel + apart, height: shape.height * pixel + apart };
}

function blockPicture({ name, shape, parameters }: Block, centre: number, units: Units): Html {
  const { width, height } = sizeOf(shape, units);
  const [left, top] = [centre - width / 2, MIDDLE - height / 2];
  const sheets = isVector(shape) ? 1 : Math.min(shape.maps, SHEETS);
  const [w, h] = isVector(shape) ? [width, height] : [shape.width * units.pixel, shape.height * units.pixel];
  const rects = Array.from(
    { length: sheets },
    (_, i) =>
      html`<rect class="sheet" x="${round(left + i * OFFSET)}" y="${round(top + i * OFFSET)}" width="${round(w)}" height="${round(h)}"/>`,
  );
  const own =
    parameters === 0
      ? undefined
      : html`<text class="size" x="${round(centre)}" y="${HEIGHT - 8}">${count(parameters)} parameters</text>`;
  return html`<text class="name" x="${round(centre)}" y="16">${name}</text>${rects}<text class="size" x="${round(centre)}" y="${HEIGHT - 26}">${shapeText(shape)}</text>${own}`;
}

function arrow(x: number): Html {
  return html`<path class="arrow" d="M${round(x + 6)} ${MIDDLE}h${GAP - 12}m-5 -4l5 4l-5 4"/>`;
}

function round(value: number): string {
  return String(Number(value.toFixed(1)));
}
