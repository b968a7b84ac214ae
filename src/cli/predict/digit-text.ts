import { DIGIT_SIDE } from '../../inspect/activations/digit.ts';

export interface DigitStyle {
  readonly colour: boolean;
  readonly unicode: boolean;
}

/** Ink from none to full. */
const RAMP = ' .:-=+*#%@';
/** Characters by their inked halves: neither, lower, upper, both. */
const HALVES = ' ▄▀█';
const DARK = 128;
/** The 24 greys of the 256 colours. */
const FIRST_GREY = 232;
const GREYS = 24;

/** A digit, bytes [28][28], in 14 lines of 28 characters: two pixels above each other are about a square. */
export function digitText(digit: Uint8Array, style: DigitStyle): string {
  const ink = (x: number, y: number): number => digit[y * DIGIT_SIDE + x] ?? 0;
  const lines = Array.from({ length: DIGIT_SIDE / 2 }, (_, row) => {
    const cells = Array.from({ length: DIGIT_SIDE }, (_, x) => cell(ink(x, 2 * row), ink(x, 2 * row + 1), style));
    return style.unicode && style.colour ? `${cells.join('')}\x1b[0m` : cells.join('').trimEnd();
  });
  return `${lines.join('\n')}\n`;
}

function cell(upper: number, lower: number, { colour, unicode }: DigitStyle): string {
  if (!unicode) return RAMP[Math.floor(((upper + lower) / 511) * RAMP.length)] as string;
  if (!colour) return HALVES[(upper >= DARK ? 2 : 0) + (lower >= DARK ? 1 : 0)] as string;
  const grey = (value: number): number => FIRST_GREY + Math.floor((value * GREYS) / 256);
  return `\x1b[38;5;${grey(upper)};48;5;${grey(lower)}m▀`;
}
