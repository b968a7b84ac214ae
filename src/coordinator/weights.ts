import type { WeightsVersion } from '../shared/executor.ts';
import type { SharedMemory } from '../shared/kernel/memory.ts';

/** The weights in versions: an update writes a new one, since slow workers may still read an older one. */
export class WeightStore {
  readonly #versions: readonly WeightsVersion[];
  #current: WeightsVersion;

  /** @param versions two more than there can be readers of different versions: the current one and the next */
  constructor(memory: SharedMemory, parameters: number, versions: number) {
    this.#versions = Array.from({ length: versions }, () => ({ values: memory.parameters(parameters), readers: 0 }));
    this.#current = this.#versions[0] as WeightsVersion;
  }

  get current(): WeightsVersion {
    return this.#current;
  }

  /** A version that nobody reads, to be written and then published. */
  next(): WeightsVersion {
    const free = this.#versions.find((version) => version !== this.#current && version.readers === 0);
    if (free === undefined) throw new Error('Every version of the weights is being read.');
    return free;
  }

  publish(version: WeightsVersion): void {
    this.#current = version;
  }
}
