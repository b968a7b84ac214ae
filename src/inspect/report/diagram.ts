import type { ModelLayout } from '../../shared/model/layout.ts';
import { type Shape, shapeSize } from '../../shared/model/shape.ts';
import { count, layerText } from '../../shared/util/figures.ts';
import { type Html, html } from './html.ts';
import { shapeText } from './text.ts';

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
const LEAST_WIDTH = 90;
const MIDDLE = 150;
const HEIGHT = 290;

/** Stacks of maps and bars of units from left to right, as large as the spec makes them. */
export function networkDiagram({ spec, layers }: ModelLayout): Html {
  const side = spec.input.height + 2 * spec.input.padding;
  const input = { name: 'input', parameters: 0, shape: { maps: 1, height: side, width: side } };
  const blocks: Block[] = [
    input,
    ...layers.map(({ spec: { name }, output: shape, parameters }) => ({ name: layerText(name), shape, parameters })),
  ];
  let x = 4;
  const drawn = blocks.map((block, i) => {
    const width = Math.max(LEAST_WIDTH, sizeOf(block.shape).width);
    const at = x;
    x += width + GAP;
    return html`${i > 0 ? arrow(at - GAP) : undefined}${blockPicture(block, at + width / 2)}
`;
  });
  const words = blocks.map(({ name, shape }) => `${name} ${shapeText(shape)}`).join(', ');
  return html`<svg class="network" viewBox="0 0 ${x - GAP + 4} ${HEIGHT}" role="img" aria-label="The network's layers: ${words}">${drawn}</svg>`;
}

function isMaps(shape: Shape): boolean {
  return shape.height * shape.width > 1;
}

/** SVG units that a layer takes. */
function sizeOf(shape: Shape): { width: number; height: number } {
  if (!isMaps(shape)) return { width: BAR, height: Math.max(BAR, shapeSize(shape) * UNIT) };
  const apart = OFFSET * (Math.min(shape.maps, SHEETS) - 1);
  return { width: shape.width * PIXEL + apart, height: shape.height * PIXEL + apart };
}

function blockPicture({ name, shape, parameters }: Block, centre: number): Html {
  const { width, height } = sizeOf(shape);
  const [left, top] = [centre - width / 2, MIDDLE - height / 2];
  const sheets = isMaps(shape) ? Math.min(shape.maps, SHEETS) : 1;
  const [w, h] = isMaps(shape) ? [shape.width * PIXEL, shape.height * PIXEL] : [width, height];
  const rects = Array.from(
    { length: sheets },
    (_, i) =>
      html`<rect class="sheet" x="${round(left + i * OFFSET)}" y="${round(top + i * OFFSET)}" width="${round(w)}" height="${round(h)}"/>`,
  );
  const own =
    parameters === 0
      ? undefined
      : html`<text class="size" x="${centre}" y="${HEIGHT - 8}">${count(parameters)} parameters</text>`;
  return html`<text class="name" x="${round(centre)}" y="16">${name}</text>${rects}<text class="size" x="${round(centre)}" y="${HEIGHT - 26}">${shapeText(shape)}</text>${own}`;
}

function arrow(x: number): Html {
  return html`<path class="arrow" d="M${round(x + 6)} ${MIDDLE}h${GAP - 12}m-5 -4l5 4l-5 4"/>`;
}

function round(value: number): string {
  return String(Number(value.toFixed(1)));
}
