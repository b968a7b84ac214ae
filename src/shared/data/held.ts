import { type Arrays, type Dataset, type Split, shapeOf } from './dataset.ts';
import type { Found } from './source.ts';

/** A data set that is in memory already. Reading copies it. */
export function heldDataset(dataset: Dataset): Found<Dataset> {
  return {
    shape: shapeOf(dataset),
    read: async (arrays) => ({
      ...dataset,
      train: copyOf(dataset.train, arrays),
      test: copyOf(dataset.test, arrays),
    }),
  };
}

function copyOf({ inputs, targets, count }: Split, arrays: Arrays): Split {
  const copies = {
    inputs: inputs instanceof Uint8Array ? arrays.bytes(inputs.length) : arrays.float32(inputs.length),
    targets: targets instanceof Uint16Array ? arrays.uint16(targets.length) : arrays.float32(targets.length),
  };
  copies.inputs.set(inputs);
  copies.targets.set(targets);
  return { ...copies, count };
}
