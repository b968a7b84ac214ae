import type { Split } from '../../shared/data/dataset.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';

/** Images and labels in shared memory. */
export interface SampleSet {
  /** Bytes [count][height][width]. */
  readonly images: Uint8Array;
  /** Bytes [count]. */
  readonly labels: Uint8Array;
}

/** Copies a part of the data set into the memory, unless it lies there already. */
export function placeInMemory(memory: SharedMemory, { images, labels }: Split): SampleSet {
  return { images: memory.hold(images), labels: memory.hold(labels) };
}
