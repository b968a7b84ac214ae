import { memorySize } from '../coordinator/engine.ts';
import { type Capacity, checkHeld, type ResolvedTrainConfig, type TrainConfig } from '../shared/config/config.ts';
import { flagOf } from '../shared/config/schema.ts';
import type { DatasetShape } from '../shared/data/dataset.ts';
import type { SharedMemory } from '../shared/engine/wasm/memory.ts';
import { DEFAULT_MODEL } from '../shared/model/registry.ts';
import { type SizeOf, sharedMemoryFor, threadsAfforded, threadsHeld } from '../worker/pool/capacity.ts';

/**
 * How many workers a run on the default set can have on this machine. A model that may depend on the data set sets no limit before
 * that is known.
 */
export const CAPACITY: Capacity = {
  held: (config, upTo) => (isKnown(config) ? capacityFor().held(config, upTo) : upTo),
  afforded: (config, upTo) => (isKnown(config) ? capacityFor().afforded(config, upTo) : upTo),
};

/** How many workers a run can have. @param dataset the default set if absent */
export function capacityFor(dataset?: DatasetShape): Capacity {
  return {
    held: (config, upTo) => threadsHeld(sizeOf(config, dataset), upTo),
    afforded: (config, upTo) =>
      Math.max(1, threadsAfforded(sizeOf(config, dataset), threadsHeld(sizeOf(config, dataset), upTo))),
  };
}

/** The shared memory of a run. @throws MemoryError if it can't be had */
export function memoryFor(config: TrainConfig, dataset: DatasetShape): SharedMemory {
  return sharedMemoryFor(config.workers, sizeOf(config, dataset));
}

function isKnown({ model, data }: TrainConfig): boolean {
  if (model === undefined) return data === undefined;
  return typeof model !== 'string' || model === DEFAULT_MODEL;
}

function sizeOf(config: TrainConfig, dataset?: DatasetShape): SizeOf {
  return (workers) => memorySize({ ...config, workers }, dataset);
}

/**
 * The config with a number of workers that fits, once it is known what a worker takes.
 * @throws UsageError if it was given and doesn't
 */
export function fitWorkers({ config, explicit }: ResolvedTrainConfig, capacity: Capacity): TrainConfig {
  if (!explicit.has('workers')) return { ...config, workers: capacity.afforded(config, config.workers) };
  checkHeld(config, flagOf('workers'), capacity);
  return config;
}
