import { DatasetError } from '../util/errors.ts';
import { type ElementType, encodeHeader, littleEndianView, MAX_HEADER_BYTES } from '../util/safetensors.ts';
import type { Contents, Inputs, Targets } from './dataset.ts';

/**
 * A data set as a packed file (packed.ts), in pieces one after the other: the header and views of the samples.
 * @param made how it was made, for people
 * @throws DatasetError if its names are longer than such a file takes
 */
export function packedPieces(contents: Contents, made?: string): Uint8Array[] {
  const { train, test, maps, height, width, classes, classNames, preparation, licence } = contents;
  const tensors = Object.entries({ train, test }).flatMap(([part, { inputs, targets, count }]) => [
    { name: `${part}.inputs`, shape: [count, maps, height, width], values: inputs },
    {
      name: `${part}.targets`,
      shape: targets instanceof Float32Array ? [count, classes] : [count],
      values: targets,
    },
  ]);
  const header = encodeHeader(
    tensors.map(({ values, ...tensor }) => ({ ...tensor, dtype: typeOf(values) })),
    {
      classes: JSON.stringify(classNames),
      ...(preparation === undefined ? {} : { preparation: JSON.stringify(preparation) }),
      ...(licence === undefined ? {} : { licence }),
      ...(made === undefined ? {} : { made }),
    },
  );
  if (header.length > MAX_HEADER_BYTES) {
    throw new DatasetError(
      `The names of the data set's classes and columns take ${header.length} bytes; ${MAX_HEADER_BYTES} are the most that a packed data set has. Shorten them.`,
    );
  }
  return [header, ...tensors.map(({ values }) => littleEndianView(values))];
}

function typeOf(values: Inputs | Targets): ElementType {
  return values instanceof Float32Array ? 'F32' : values instanceof Uint16Array ? 'U16' : 'U8';
}
