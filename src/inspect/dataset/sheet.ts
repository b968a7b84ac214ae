import type { Dataset, Inputs } from '../../shared/data/dataset.ts';
import { colourPicture, inputScale, isColour } from '../activations/input-picture.ts';
import { mapsPicture, type Picture } from '../activations/map-picture.ts';

/** Samples of a class on a sheet, and classes. */
const COLUMNS = 10;
const MAX_ROWS = 100;
/** Samples are enlarged to about so many pixels. */
const SIDE = 56;
const MAX_BYTE = 255;

/**
 * Training samples as one picture: a row for each of the first classes, or the first samples if the targets are numbers. A class
 * with fewer samples shows them again.
 * @returns undefined if the samples are no pictures of one or three maps
 */
export function sampleSheet(dataset: Dataset): Picture | undefined {
  const { train, maps, height, width } = dataset;
  const shape = { maps, height, width };
  if (height * width === 1 || (maps !== 1 && !isColour(shape))) return undefined;
  const shown = rowsOf(dataset).flat();
  const size = maps * height * width;
  const values =
    train.inputs instanceof Uint8Array ? new Uint8Array(shown.length * size) : new Float32Array(shown.length * size);
  for (const [i, sample] of shown.entries())
    values.set(train.inputs.subarray(sample * size, (sample + 1) * size), i * size);
  const tiles = { maps: shown.length, height, width };
  const options = { zoom: Math.max(1, Math.round(SIDE / Math.max(height, width))), columns: COLUMNS };
  if (maps === 1) return mapsPicture(values, tiles, { ...options, scale: inputScale(values) });
  return colourPicture(values, tiles, { ...options, range: rangeOf(values) });
}

/** The places of samples in the training part, a row of `COLUMNS` for each class that has any. */
export function rowsOf({ train, classes }: Dataset): number[][] {
  const { targets, count } = train;
  if (targets instanceof Float32Array) {
    return Array.from({ length: Math.min(COLUMNS, Math.ceil(count / COLUMNS)) }, (_, row) =>
      Array.from({ length: COLUMNS }, (_, i) => (row * COLUMNS + i) % count),
    );
  }
  const found: number[][] = Array.from({ length: Math.min(classes, MAX_ROWS) }, () => []);
  for (let i = 0; i < count; i++) {
    const row = found[targets[i] as number];
    if (row !== undefined && row.length < COLUMNS) row.push(i);
  }
  return found
    .filter((row) => row.length > 0)
    .map((row) => Array.from({ length: COLUMNS }, (_, i) => row[i % row.length] as number));
}

function rangeOf(values: Inputs): readonly [least: number, most: number] {
  if (values instanceof Uint8Array) return [0, MAX_BYTE];
  const { max } = inputScale(values);
  return [values.reduce((least, value) => Math.min(least, value), 0), max];
}
