import { memorySize } from '../coordinator/engine.ts';
import type { Capacity, TrainConfig } from '../shared/config/config.ts';
import type { SharedMemory } from '../shared/engine/wasm/memory.ts';
import { type SizeOf, sharedMemoryFor, threadsAfforded, threadsHeld } from '../worker/pool/capacity.ts';

/** How many workers a run can have on this machine. */
export const CAPACITY: Capacity = {
  held: (config, upTo) => threadsHeld(sizeOf(config), upTo),
  afforded: (config, upTo) => Math.max(1, threadsAfforded(sizeOf(config), threadsHeld(sizeOf(config), upTo))),
};

/** The shared memory of a run. @throws MemoryError if it can't be had */
export function memoryFor(config: TrainConfig): SharedMemory {
  return sharedMemoryFor(config.workers, sizeOf(config));
}

function sizeOf(config: TrainConfig): SizeOf {
  return (workers) => memorySize({ ...config, workers });
}
