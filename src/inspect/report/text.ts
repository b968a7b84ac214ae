import { headOf } from '../../shared/model/kinds.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { Shape } from '../../shared/model/shape.ts';

/** Three digits that count, or so many, with a true minus. */
export function figure(value: number, digits = 3): string {
  return String(Number(value.toPrecision(digits))).replace('-', '\u2212');
}

/** With a true minus. */
export function r2Text(r2: number): string {
  return r2.toFixed(4).replace('-', '\u2212');
}

/** Such as 6@28×28, or 84 of units. */
export function shapeText({ maps, height, width }: Shape): string {
  return height * width === 1 ? String(maps) : `${maps}@${height}×${width}`;
}

/** The last layer's values mean classes by their distance from these; undefined for other heads. */
export function targetsOf({ spec: { head } }: ModelLayout): readonly (readonly number[])[] | undefined {
  return headOf(head).targets?.(head);
}
