import type { StateVersion } from '../../shared/engine/executor.ts';
import type { Layout } from '../../shared/engine/wasm/memory.ts';

export interface StateStoreOptions {
  readonly parameters: number;
  /** Whether the optimizer keeps second moments. */
  readonly hasSecondMoments: boolean;
  /** Number of versions: the current one, one for each step under way, and one for each slow reader. */
  readonly versions: number;
}

/**
 * Weights and moments in versions. An update reads one version and writes another, so that it can be repeated, and slow workers
 * can still read an older one.
 */
export class StateStore {
  readonly #versions: readonly StateVersion[];
  readonly #taken: Set<StateVersion>;
  #current: StateVersion;

  constructor(memory: Layout, { parameters, hasSecondMoments, versions }: StateStoreOptions) {
    this.#versions = Array.from({ length: versions }, () => ({
      values: memory.parameters(parameters),
      m: memory.parameters(parameters),
      v: hasSecondMoments ? memory.parameters(parameters) : undefined,
      readers: 0,
    }));
    this.#current = this.#versions[0] as StateVersion;
    this.#taken = new Set([this.#current]);
  }

  get current(): StateVersion {
    return this.#current;
  }

  /**
   * A version that nobody reads or is about to write. It stays taken until a later one is published.
   * @throws Error if there is none
   */
  take(): StateVersion {
    const free = this.#versions.find((version) => !this.#taken.has(version) && version.readers === 0);
    if (free === undefined) throw new Error('Every version of the weights is being read.');
    this.#taken.add(free);
    return free;
  }

  /**
   * Makes this state the current one, in a version that nobody reads.
   * @param weights [parameters] in flat order
   * @param moments [parameters] each (default: zeros, for a new optimizer)
   */
  load(weights: Float32Array, moments?: { readonly m: Float32Array; readonly v: Float32Array | undefined }): void {
    const version = this.take();
    version.values.set(weights);
    for (const [target, source] of [
      [version.m, moments?.m],
      [version.v, moments?.v],
    ] as const) {
      if (source === undefined) target?.fill(0);
      else target?.set(source);
    }
    this.publish(version);
  }

  /** Makes a version the current one; the one before it can be taken again as soon as nobody reads it. */
  publish(version: StateVersion): void {
    this.#taken.delete(this.#current);
    this.#current = version;
  }
}
