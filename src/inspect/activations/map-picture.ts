import { isVector, type Shape, shapeSize } from '../../shared/model/shape.ts';

/** RGB and alpha, bytes [height][width][4]. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/**
 * What the colours of values mean. If some values are negative: blue through white to red, symmetric about 0, so that white is
 * 0; otherwise black to yellow from 0 on. `max` is the magnitude of the outermost colour.
 */
export interface MapScale {
  readonly kind: 'diverging' | 'sequential';
  readonly max: number;
}

export interface MapOptions {
  /** What colours of values mean, or the colour of a value by its place. */
  readonly scale: MapScale | ((place: number) => Colour);
  /** Pixels of a value's side. */
  readonly zoom: number;
  /** Maps side by side; the default is `columnsOf` the shape. */
  readonly columns?: number;
}

export type Colour = readonly [red: number, green: number, blue: number];

/** In the manner of ColorBrewer's RdBu and of matplotlib's inferno, both suitable for people who can't distinguish red from green. */
const STOPS: Readonly<Record<MapScale['kind'], readonly Colour[]>> = {
  diverging: [
    [33, 102, 172],
    [146, 197, 222],
    [247, 247, 247],
    [244, 165, 130],
    [178, 24, 43],
  ],
  sequential: [
    [0, 0, 4],
    [66, 10, 104],
    [147, 38, 103],
    [221, 81, 58],
    [252, 165, 10],
    [252, 255, 164],
  ],
};

/** One scale for all of a layer's values, so that its maps can be compared. */
export function scaleOf(values: Float32Array): MapScale {
  const least = values.reduce((found, value) => Math.min(found, value), 0);
  const max = values.reduce((found, value) => Math.max(found, value), 0);
  return least < 0 ? { kind: 'diverging', max: Math.max(-least, max) } : { kind: 'sequential', max };
}

/** A value that isn't finite has the colour of 0 or an outermost one. */
export function colourOf({ kind, max }: MapScale, value: number): Colour {
  const stops = STOPS[kind];
  const part = Math.min(1, Math.max(-1, value / max || 0));
  const place = (kind === 'diverging' ? (part + 1) / 2 : Math.max(0, part)) * (stops.length - 1);
  const below = Math.min(Math.floor(place), stops.length - 2);
  const [from, to] = [stops[below] as Colour, stops[below + 1] as Colour];
  const mixed = from.map((channel, i) => Math.round(channel + (place - below) * ((to[i] as number) - channel)));
  return mixed as unknown as Colour;
}

/** Maps of a layer that are drawn, at most; the rest would be too small to see. */
export const MAX_MAPS = 64;

/** The first maps of a layer; all values of a vector. @param values [maps][height][width] */
export function fewMaps(values: Float32Array, shape: Shape): { readonly values: Float32Array; readonly shape: Shape } {
  if (isVector(shape) || shape.maps <= MAX_MAPS) return { values, shape };
  return { values: values.subarray(0, MAX_MAPS * shape.height * shape.width), shape: { ...shape, maps: MAX_MAPS } };
}

/** Values of a vector in a row, at most: as many as people can tell apart. */
const MAX_ROW = 12;

/** Maps side by side: about a square, if possible without a hole; units as a block whose columns divide them, so that 84 become 7x12. */
export function columnsOf({ maps, height, width }: Shape): number {
  const root = Math.sqrt(maps);
  if (height * width > 1) {
    let columns = Math.ceil(root);
    while (maps % columns !== 0 && columns < 1.5 * root) columns++;
    return maps % columns === 0 ? columns : Math.ceil(root);
  }
  if (maps <= MAX_ROW) return maps;
  let columns = Math.floor(root);
  while (maps % columns !== 0) columns--;
  return 2 * columns < root ? Math.ceil(root) : columns;
}

/**
 * A layer's maps as tiles, a value a square; between maps the ground shows, which is transparent.
 * @param values [maps][height][width]
 */
export function mapsPicture(values: ArrayLike<number>, shape: Shape, options: MapOptions): Picture {
  const { scale, zoom, columns = columnsOf(shape) } = options;
  const gap = shape.height * shape.width > 1 ? Math.max(2, zoom) : 0;
  const [tileWidth, tileHeight] = [shape.width * zoom + gap, shape.height * zoom + gap];
  const width = columns * tileWidth - gap;
  const height = Math.ceil(shape.maps / columns) * tileHeight - gap;
  const data = new Uint8ClampedArray(4 * width * height);
  const area = shape.height * shape.width;
  const colourAt = typeof scale === 'function' ? scale : (i: number): Colour => colourOf(scale, values[i] as number);
  for (let i = 0; i < shapeSize(shape); i++) {
    const [map, place] = [Math.floor(i / area), i % area];
    const left = (map % columns) * tileWidth + (place % shape.width) * zoom;
    const top = Math.floor(map / columns) * tileHeight + Math.floor(place / shape.width) * zoom;
    const colour = colourAt(i);
    for (let p = 0; p < zoom * zoom; p++) {
      const at = (top + Math.floor(p / zoom)) * width + left + (p % zoom);
      data.set([...colour, 255], 4 * at);
    }
  }
  return { width, height, data };
}

/** The largest zoom at which a layer's picture is at most so wide; 1 if none is. */
export function zoomFor(shape: Shape, width: number): number {
  const columns = columnsOf(shape);
  const values = columns * (shape.width + (shape.width * shape.height > 1 ? 1 : 0));
  return Math.max(1, Math.floor(width / values));
}
