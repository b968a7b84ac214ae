/** A map stack [maps][height][width], or [units][1][1] after a dense layer. */
export interface Shape {
  readonly maps: number;
  readonly height: number;
  readonly width: number;
}

export function shapeSize({ maps, height, width }: Shape): number {
  return maps * height * width;
}

/** Such as 6@28x28. */
export function shapeText({ maps, height, width }: Shape): string {
  return `${maps}@${height}x${width}`;
}
