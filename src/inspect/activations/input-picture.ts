import type { Inputs } from '../../shared/data/dataset.ts';
import { isVector, type Shape } from '../../shared/model/shape.ts';
import { type MapOptions, type MapScale, mapsPicture, type Picture, scaleOf } from './map-picture.ts';

/** The maps of a colour picture: red, green and blue. */
const CHANNELS = 3;

/** Whether people see the maps of a sample as one picture in colour. */
export function isColour(shape: Shape): boolean {
  return shape.maps === CHANNELS && !isVector(shape);
}

/** The scale of a sample's maps: that of bytes, or of the floats at hand. */
export function inputScale(values: Inputs): MapScale {
  return values instanceof Uint8Array ? { kind: 'sequential', max: 255 } : scaleOf(values);
}

/**
 * A sample: three maps in colour, otherwise each map as `mapsPicture` draws it.
 * @param values [maps][height][width]
 */
export function inputPicture(values: Inputs, shape: Shape, options: Omit<MapOptions, 'scale'>): Picture {
  if (!isColour(shape)) return mapsPicture(values, shape, { ...options, scale: inputScale(values) });
  const [least, most] = values instanceof Uint8Array ? [0, 255] : rangeOf(values);
  return colourPicture(values, { ...shape, maps: 1 }, { ...options, range: [least, most] });
}

export interface ColourOptions extends Omit<MapOptions, 'scale'> {
  /** What black and full light stand for. */
  readonly range: readonly [least: number, most: number];
}

/**
 * Pictures in colour as tiles, like `mapsPicture`.
 * @param values [maps][3][height][width]
 * @param shape that of the tiles: `maps` pictures
 */
export function colourPicture(values: ArrayLike<number>, shape: Shape, { range, ...options }: ColourOptions): Picture {
  const area = shape.height * shape.width;
  const [least, most] = range;
  const light = (map: number, channel: number, place: number): number => {
    const value = values[(map * CHANNELS + channel) * area + place] as number;
    return Math.round((255 * (value - least)) / (most - least || 1));
  };
  const paint = (i: number): readonly [number, number, number] => {
    const [map, place] = [Math.floor(i / area), i % area];
    return [light(map, 0, place), light(map, 1, place), light(map, 2, place)];
  };
  return mapsPicture({ length: shape.maps * area }, shape, { ...options, scale: paint });
}

function rangeOf(values: Inputs): readonly [least: number, most: number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  return [least, most];
}
