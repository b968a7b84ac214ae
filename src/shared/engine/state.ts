import type { StateVersion } from './executor.ts';
import type { StateVectors } from './update.ts';
import { type Layout, padded } from './wasm/memory.ts';

/** What a state consists of. */
export interface StateShape {
  readonly parameters: number;
  /** Whether the optimizer keeps second moments. */
  readonly hasSecondMoments: boolean;
}

export interface StateStoreOptions extends StateShape {
  /** Number of versions: the current one, one for each step under way, and one for each slow reader. */
  readonly versions: number;
}

/** Float32s from one vector of a state to the next: whole cache lines. */
const LINE = 16;

function strideOf({ parameters }: StateShape): number {
  return Math.ceil(padded(parameters) / LINE) * LINE;
}

/** Float32s that a state takes: weights, moments and, if there are any, second moments behind each other. */
export function stateLength(shape: StateShape): number {
  return (shape.hasSecondMoments ? 3 : 2) * strideOf(shape);
}

/** The state in `floats`, [stateLength]. */
export function stateIn(floats: Float32Array, shape: StateShape): StateVectors {
  const stride = strideOf(shape);
  const vector = (index: number): Float32Array => floats.subarray(index * stride, index * stride + shape.parameters);
  return { values: vector(0), m: vector(1), v: shape.hasSecondMoments ? vector(2) : undefined };
}

/** The state at a pointer into the shared memory. */
export function stateAt(buffer: ArrayBufferLike, pointer: number, shape: StateShape): StateVectors {
  return stateIn(new Float32Array(buffer, pointer, stateLength(shape)), shape);
}

/** A state's vectors in the order of docs/protocol.md: weights, moments and, if there are any, second moments. */
export function vectorsOf({ values, m, v }: StateVectors): readonly Float32Array[] {
  return v === undefined ? [values, m] : [values, m, v];
}

/** The squared distance of two vectors, in float64; it reaches no weight. */
export function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    sum += difference * difference;
  }
  return sum;
}

export function copyState(from: StateVectors, to: StateVectors): void {
  const sources = vectorsOf(from);
  for (const [i, vector] of vectorsOf(to).entries()) vector.set(sources[i] as Float32Array);
}

/**
 * Weights and moments in versions. An update reads one version and writes another, so that it can be repeated, and slow workers
 * can still read an older one.
 */
export class StateStore {
  readonly #versions: readonly StateVersion[];
  readonly #taken: Set<StateVersion>;
  #current: StateVersion;

  constructor(memory: Layout, { versions, ...shape }: StateStoreOptions) {
    this.#versions = Array.from({ length: versions }, () => ({
      ...stateIn(memory.float32(stateLength(shape)), shape),
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
