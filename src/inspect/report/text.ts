import type { Shape } from '../../shared/model/shape.ts';

/** Three digits that count, with a true minus. */
export function figure(value: number): string {
  return String(Number(value.toPrecision(3))).replace('-', '\u2212');
}

/** Such as 6@28×28, or 84 of units. */
export function shapeText({ maps, height, width }: Shape): string {
  return height * width === 1 ? String(maps) : `${maps}@${height}×${width}`;
}
