import type { Shape } from '../../shared/model/shape.ts';

import { showsUnicode } from '../terminal/terminal.ts';

export interface TextStyle {
  readonly colour: boolean;
  readonly unicode: boolean;
}

/** Light from none to full. */
const RAMP = ' .:-=+*#%@';
/** Characters by their light halves: neither, lower, upper, both. */
const HALVES = ' ▄▀█';
const DARK = 128;
/** The 24 greys of the 256 colours. */
const FIRST_GREY = 232;
const GREYS = 24;
/** Characters of a line that a picture may take. */
const MAX_WIDTH = 80;
/** Characters between samples. */
const GAP = 2;

type Colour = readonly number[];

/**
 * A sample of bytes as lines of one character a column: two pixels above each other are about a square. Maps beyond the first are
 * its other colours.
 * @returns undefined if it is too wide for a terminal
 */
export function sampleText(sample: Uint8Array, shape: Shape, style: TextStyle): string | undefined {
  return tiledText([sample], shape, style);
}

/** The first samples side by side, as many as a terminal is wide. @returns undefined if none is narrow enough */
export function tiledText(samples: readonly Uint8Array[], shape: Shape, style: TextStyle): string | undefined {
  const { height, width } = shape;
  const shown = samples.slice(0, Math.floor((MAX_WIDTH + GAP) / (width + GAP)));
  if (shown.length === 0) return undefined;
  const lines = Array.from({ length: Math.ceil(height / 2) }, (_, row) => {
    const line = shown.map((sample) => lineOf(sample, row, { shape, style })).join(' '.repeat(GAP));
    return style.unicode && style.colour ? line : line.trimEnd();
  });
  return `${lines.join('\n')}\n`;
}

/** Rows 2·row and 2·row + 1 of a sample. */
function lineOf(
  sample: Uint8Array,
  row: number,
  { shape: { maps, height, width }, style }: { readonly shape: Shape; readonly style: TextStyle },
): string {
  const area = height * width;
  const lightAt = (x: number, y: number): Colour =>
    Array.from({ length: maps }, (_, map) => (y < height ? (sample[map * area + y * width + x] as number) : 0));
  const cells = Array.from({ length: width }, (_, x) => cell(lightAt(x, 2 * row), lightAt(x, 2 * row + 1), style));
  return style.unicode && style.colour ? `${cells.join('')}\x1b[0m` : cells.join('');
}

/** What a stream shows. */
export function styleOf(stream: NodeJS.WriteStream): TextStyle {
  const { env } = process;
  const colour = stream.isTTY === true && env.TERM !== 'dumb' && !env.NO_COLOR;
  return { colour, unicode: showsUnicode(stream, env) };
}

function cell(upper: Colour, lower: Colour, { colour, unicode }: TextStyle): string {
  const [above, below] = [meanOf(upper), meanOf(lower)];
  if (!unicode) return RAMP[Math.floor(((above + below) / 511) * RAMP.length)] as string;
  if (!colour) return HALVES[(above >= DARK ? 2 : 0) + (below >= DARK ? 1 : 0)] as string;
  return `\x1b[38;${codeOf(upper)};48;${codeOf(lower)}m▀`;
}

/** A colour as terminals number it: greys by their place among the 256 colours. */
function codeOf(colour: Colour): string {
  if (colour.length > 1) return `2;${colour.join(';')}`;
  return `5;${FIRST_GREY + Math.floor((meanOf(colour) * GREYS) / 256)}`;
}

function meanOf(colour: Colour): number {
  return colour.reduce((sum, light) => sum + light, 0) / colour.length;
}
