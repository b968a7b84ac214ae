import type { Shape } from '../shared/model/layout.ts';

/** Three digits that count, with a true minus. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(3))).replace('-', '\u2212');
}

/** Such as 6@28×28, or 84 of units. */
export function shapeText({ maps, height, width }: Shape): string {
  return height * width === 1 ? String(maps) : `${maps}@${height}×${width}`;
}

/** A layer's name as the paper has it: C1, F6; the head is in small letters. */
export function layerText(name: string): string {
  return /^[a-z]\d$/.test(name) ? name.toUpperCase() : name;
}
