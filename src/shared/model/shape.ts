/** A map stack [maps][height][width], or [units][1][1] after a dense layer. */
export interface Shape {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

/** Rows above and below, columns to the left and to the right. */
export interface Border {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

export const NO_BORDER: Border = { top: 0, left: 0, bottom: 0, right: 0 };

/** Rows and columns. */
export type Pair = readonly [height: number, width: number];

export function shapeSize({ maps, height, width }: Shape): number {
  return maps * height * width;
}

export function vector(units: number): Shape {
  return { maps: units, height: 1, width: 1 };
}

export function isVector({ height, width }: Shape): boolean {
  return height === 1 && width === 1;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.maps === b.maps && a.height === b.height && a.width === b.width;
}

/** Such as 6@28x28. */
export function shapeText({ maps, height, width }: Shape): string {
  return `${maps}@${height}x${width}`;
}
