import { DatasetError } from '../util/errors.ts';
import type { DatasetShape } from './dataset.ts';

/** Samples of a part: their places are int32. */
export const MAX_SAMPLES = 2 ** 31 - 1;
/** Maps, rows and columns of a sample. */
export const MAX_SIDE = 2 ** 16 - 1;
/** Classes, which are uint16, and outputs. */
export const MAX_CLASSES = 2 ** 16;
/** Characters of the terms under which a set is published. */
export const MAX_LICENCE = 200;
/** What one WebAssembly memory holds. */
const MAX_BYTES = 2 ** 32 - 2 ** 16;
/** What each array may take beside its values: the header of the file that it came from, and its place at a whole cache line. */
const ARRAY_BYTES = 128;

/** Bytes of memory that a data set takes at most. */
export function bytesHeld(shape: DatasetShape): number {
  const { inputs, targets } = sampleBytes(shape);
  return (shape.samples + shape.testSamples) * (inputs + targets) + 4 * ARRAY_BYTES;
}

/** Bytes of one sample. */
export function sampleBytes({
  maps,
  height,
  width,
  classes,
  inputs,
  targets,
}: Omit<DatasetShape, 'samples' | 'testSamples'>) {
  return {
    inputs: maps * height * width * (inputs === 'uint8' ? 1 : 4),
    targets: targets === 'uint16' ? 2 : 4 * classes,
  };
}

/** @throws DatasetError if a data set is larger than the memory that workers share */
export function checkSize(shape: DatasetShape, path: string): void {
  const { maps, height, width, samples, testSamples } = shape;
  const problem =
    Math.max(maps, height, width) > MAX_SIDE
      ? `expected samples of at most ${MAX_SIDE} maps, rows and columns, but they are ${maps}x${height}x${width}`
      : bytesHeld(shape) > MAX_BYTES
        ? `${samples} and ${testSamples} samples of ${maps}x${height}x${width} take more than the 4 GiB of memory that workers share`
        : undefined;
  if (problem !== undefined) throw new DatasetError(`${path}: ${problem}. Use a smaller data set.`, { file: path });
}
