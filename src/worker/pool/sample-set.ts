import type { Dataset, Split } from '../../shared/data/dataset.ts';
import { placesWithout } from '../../shared/data/validation.ts';
import type { SamplerOptions } from '../../shared/engine/sampler.ts';
import type { Layout, SharedMemory } from '../../shared/engine/wasm/memory.ts';

/** A part of the data set in the memory: a copy, unless it lies there already. */
export function placeInMemory(memory: SharedMemory, { inputs, targets, count }: Split): Split {
  return { inputs: memory.hold(inputs), targets: memory.hold(targets), count };
}

/** The places of the training samples by use, in the memory; none if no sample is held back. */
export function placesInMemory(
  memory: SharedMemory,
  { train, validation }: Pick<Dataset, 'train' | 'validation'>,
): Pick<SamplerOptions, 'samples' | 'places'> & Pick<Dataset, 'validation'> {
  if (validation === undefined) return { samples: train.count };
  const places = placesWithout(validation, train.count);
  return { samples: places.length, places: memory.hold(places), validation: memory.hold(validation) };
}

/** What `placesInMemory` takes at most. */
export function allocatePlaces(memory: Layout, samples: number): void {
  for (const _ of ['train', 'validation']) memory.int32(samples);
}
